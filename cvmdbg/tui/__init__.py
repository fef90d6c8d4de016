"""The terminal front end: panes that render frozen snapshots; a worker thread owns the session.

key, line ──▶ app ──lines, looks──▶ worker ──▶ Session
               ▲                      │
               └──── messages ◀───────┘  frozen snapshots, rows, sentences
"""
