"""Running backwards: the last thing that would have stopped a run forwards, found stretch by stretch from behind.

──●────────●────────●────────┬ now       each stretch between two checkpoints is run once with the stops set;
           └ 2 ─────┘└── 1 ──┘           one with many hits is halved until its last hit is known
"""

from __future__ import annotations

from cvmdbg.target import Move, Reason, Stop, StopKind
from cvmdbg.targets.player import CAP, Hit, Player, Where
from sessions.event import ThreadSwitch
from sessions.mark import Mark
from sessions.timeline import Cancelled


class Backward:
    """Goes back in what a player plays."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def resume(self, move: Move, *, thread: int | None = None, budget: int | None = None) -> Stop:
        """STEP takes back one instruction; CONTINUE goes to the last hit before now."""
        if self._player.where is Where.DIVERTED:
            self._player.end_diversion()
        if self._player.now <= self._player.first:
            return self._at_start()
        if move is Move.STEP:
            return self._step(thread)
        return self._continue(budget)

    def _at_start(self) -> Stop:
        stop = self._player.arrived()
        return Stop(stop.thread, stop.pc, stop.tick, (*stop.reasons, Reason(StopKind.HISTORY, "start")))

    # ---- one instruction -------------------------------------------------------------------------------------------

    def _step(self, thread: int | None) -> Stop:
        player = self._player
        tick = self._own_tick(player.now, player.inferior.schedule.current if thread is None else thread)
        if tick is None:
            player.seek(player.first)
            return self._at_start()
        whole = player.timeline.settled(tick)
        stop = player.seek(max(whole, player.first))
        return Stop(stop.thread, stop.pc, stop.tick, (Reason(StopKind.STEP), *stop.reasons))

    def _own_tick(self, now: Mark, thread: int) -> int | None:
        """The tick before the last instruction that a thread retired before a moment: its last turn's last."""
        timeline, number, end = self._player.timeline, now.event, now.tick
        for index in range(timeline.before(now), -1, -1):
            point = timeline.points[index]
            for at in range(number - 1, point.mark.event - 1, -1):
                event = timeline.events.at(at)
                turn = next((e.thread for e in event.effects if isinstance(e, ThreadSwitch)), None)
                if turn is None:
                    continue
                if turn == thread and event.tick < end:
                    return end - 1
                end = min(end, event.tick)
            number = point.mark.event
            if point.mark.tick < end and self._player.turn_at(point) == thread:
                return end - 1
            end = min(end, point.mark.tick)
        return None

    # ---- to the last hit -------------------------------------------------------------------------------------------

    def _continue(self, budget: int | None) -> Stop:
        """One stretch after the other, from behind."""
        player, timeline = self._player, self._player.timeline
        end, began = player.now, player.now.tick
        try:
            while end > player.first:
                start = max(timeline.points[timeline.before(Mark(end.event, end.tick - 1))].mark, player.first)
                if start >= end:
                    start = player.first
                hit = self._last_hit(start, end)
                if hit is not None:
                    return self._stand(hit.mark, hit.reasons)
                end = start
                if budget is not None and began - end.tick >= budget and end > player.first:
                    return self._stand(end, (Reason(StopKind.BUDGET),))
        except Cancelled:
            return self._stand(end, (Reason(StopKind.INTERRUPT),))
        player.seek(player.first)
        return self._at_start()

    def _stand(self, mark: Mark, reasons: tuple[Reason, ...]) -> Stop:
        stop = self._player.seek(mark, quiet=True)
        return Stop(stop.thread, stop.pc, stop.tick, reasons)

    def _last_hit(self, start: Mark, end: Mark) -> Hit | None:
        hits, whole = self._player.scan(start, end, CAP)
        if whole:
            return hits[-1] if hits else None
        last = hits[-1]
        middle = self._player.timeline.settled((last.mark.tick + end.tick + 1) // 2)
        if last.mark < middle < end:
            return self._last_hit(middle, end) or self._last_hit(last.mark, middle) or last
        return self._all_hits(last.mark, end) or last

    def _all_hits(self, start: Mark, end: Mark) -> Hit | None:
        hits, _ = self._player.scan(start, end, 1 << 30)
        return hits[-1] if hits else None
