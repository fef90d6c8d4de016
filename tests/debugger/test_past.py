"""Looking back: scratch copies are the same run."""

from __future__ import annotations

from cvmdbg.analysis.past import find_loss, last_instruction, steps_before
from tests.debugger.conftest import Open


def test_a_moment_is_the_run_as_it_was(opened: Open) -> None:
    session = opened("threads", "break worker", "run")
    debugger = session.live
    past, tick = debugger.past, debugger.target.stop.tick
    assert past is not None
    assert tick is not None
    moment = past.at(tick)
    assert moment.tick == tick
    for thread in debugger.threads():
        kept = moment.registers(thread.number)
        for register in debugger.target.registers:
            if register.kind == "capability":
                assert kept[register.name] == debugger.target.read_register(thread.number, register.name)


def test_steps_before_end_at_the_stop(opened: Open) -> None:
    session = opened("hello", "break *fibonacci", "run")
    debugger = session.live
    assert debugger.past is not None
    tick = debugger.target.stop.tick or 0
    steps = steps_before(debugger.past, 0, tick, 50)
    assert [step.tick for step in steps] == list(range(tick - 50, tick))
    assert steps[-1].instruction.mnemonic == "bl"
    last = last_instruction(debugger.past, 0, tick)
    assert last is not None
    assert last.pc == steps[-1].pc


def test_what_the_user_changed_belongs_to_the_past(opened: Open) -> None:
    session = opened("faults", "break load_past_the_end_of_capability+16", args=("cap_bounds",))
    session.execute("run")
    session.execute("set $x0 = 4096")
    session.execute("continue")
    found = session.explain()
    assert (found.kind, found.register) == ("tag", "c0")
    assert found.cause is None  # no instruction took the tag
    assert any("not known" in sentence for sentence in found.sentences)


def test_a_tag_that_was_never_there_is_not_invented(opened: Open) -> None:
    session = opened("hello", "break fibonacci", "run")
    debugger = session.live
    assert debugger.past is not None
    now = {r.name: debugger.target.read_register(0, r.name) for r in debugger.target.registers}
    assert find_loss(debugger.past, 0, 100, "c28", now) is None
