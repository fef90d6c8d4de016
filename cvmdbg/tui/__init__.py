"""The terminal front end: panes that render frozen snapshots; a worker thread owns the session.

key, line ──▶ app ──lines, looks──▶ worker ──▶ Session
               ▲                      │
               └──── messages ◀───────┘  frozen snapshots, rows, sentences
"""

from __future__ import annotations

import os

os.environ.setdefault("TEXTUAL_FPS", "120")  # read when Textual is imported: half the wait from a key to its paint
