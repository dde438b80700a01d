"""Real trainer processes against a fake engine, over a real socket."""

from __future__ import annotations

import os
import pathlib
import signal
import time
from typing import Any

import pytest
from engine import Engine

INTERRUPTED = (-signal.SIGINT, 1)  # Python 3.13.0 forgets the signal when any excepthook imports something
LOOP = """
    import os, pathlib, sys, time, pbt
    for segment in pbt.segments():
        for step in segment:
            pass
        segment.report(0.5, save=lambda directory: pathlib.Path(directory, "w").write_text(str(segment.id)))
    print("last line")
"""
SLOW = """
    import pbt, time
    for segment in pbt.segments():
        print("begins", flush=True)
        for step in segment:
            time.sleep(0.02)
        segment.report(1.0, save=lambda d: None)
    print("last line")
"""


def test_one_segment_after_another(engine: Engine) -> None:
    hello = engine.start(LOOP)
    assert engine.process is not None
    assert hello.pop("pid") == engine.process.pid and hello.pop("client").startswith("pbt-python/0.1")
    assert hello == {"type": "hello", "protocol": 1, "restart_on": [], "fresh": False, "beats": True}
    for lease, start in ((1, "fresh"), (2, "hold"), (3, "load")):
        more: dict[str, Any] = {"load": "/somewhere"} if start == "load" else {}
        engine.segment(lease, start, **more)
        assert engine.read("loaded") == {"type": "loaded", "lease": lease, "hypers": {"lr": 0.1}}
        report = engine.read("report")
        assert report.pop("eval") < 1
        assert report == {"type": "report", "lease": lease, "score": 0.5}
        assert (engine.save(lease) / "w").read_text() == str(lease)
    engine.send(type="exit")
    engine.end()
    assert engine.out == "last line\n"


def test_lazy_checkpoints_are_skipped(engine: Engine) -> None:
    engine.start("import pbt\nfor segment in pbt.segments(fresh=True, restart_on=('a', 'b')): segment.report(1)")
    for lease in (1, 2):
        engine.segment(lease)
        engine.read("loaded")
        engine.read("report")
        engine.send(type="skip", lease=lease)
    engine.hang_up()  # the end is as good as `exit`
    engine.end()


def test_restart_on_and_fresh(engine: Engine) -> None:
    hello = engine.start("import pbt\nfor segment in pbt.segments(fresh=True, restart_on=('a', 'b')): pass")
    assert hello["fresh"] is True and hello["restart_on"] == ["a", "b"]


def test_the_time_after_the_iteration_counts_as_evaluation(engine: Engine) -> None:
    engine.start("""
        import pbt, time
        for segment in pbt.segments():
            for step in segment: pass
            time.sleep(0.2)
            segment.report(1, save=print)
    """)
    engine.segment(1)
    assert 0.2 <= engine.finish(1)["eval"] < 2


def test_a_script_may_count_itself(engine: Engine) -> None:
    engine.start("""
        import pbt
        for segment in pbt.segments():
            for i in range(segment.steps): pass
            segment.progress(i + 1, loss=0.5)
            segment.report(1, save=print)
    """)
    engine.segment(1)
    assert "eval" not in engine.finish(1)
    assert engine.aside == [{"type": "progress", "lease": 1, "step": 10, "metrics": {"loss": 0.5}}]


def test_defaults_fill_what_the_engine_leaves_open(engine: Engine) -> None:
    engine.start("""
        import pbt
        for segment in pbt.segments(defaults={"lr": 9, "eps": 1e-8}):
            segment.report(segment.hypers.lr + segment.hypers.eps, save=print)
    """)
    engine.segment(1)
    assert engine.read("loaded")["hypers"] == {"lr": 0.1}  # the others are none of its business
    assert engine.read("report")["score"] == pytest.approx(0.1)


def test_weight_seed(engine: Engine) -> None:
    script = "import pbt\nseed = pbt.weight_seed()\nfor segment in pbt.segments(): segment.report(seed, save=print)"
    engine.start(script, PBT_WEIGHT_SEED="77")
    engine.segment(1)
    assert engine.finish(1)["score"] == 77


def test_progress_is_sent_now_and_then(engine: Engine) -> None:
    engine.start("""
        import pbt, time
        for segment in pbt.segments():
            end = time.monotonic() + 0.6
            for step in segment:
                segment.progress(loss=step)
                if time.monotonic() > end: break
            segment.report(1, save=print, steps=step + 1)
    """)
    engine.segment(1, steps=10**9)
    engine.finish(1)
    assert 2 <= len(engine.aside) <= 7
    assert all(m["step"] == m["metrics"]["loss"] for m in engine.aside)


def test_the_iteration_sends_progress_itself(engine: Engine) -> None:
    engine.start("""
        import pbt, time
        for segment in pbt.segments():
            for step in segment: time.sleep(0.01)
            segment.report(1, save=print)
    """)
    engine.segment(1, steps=150)
    engine.finish(1)
    assert 1 <= len(engine.aside) < 10 and 0 < engine.aside[0]["step"] < 150 and "metrics" not in engine.aside[0]


def test_chunks_send_progress_themselves(engine: Engine) -> None:
    engine.start("""
        import pbt, time
        for segment in pbt.segments():
            for first, steps in segment.chunks(7): time.sleep(0.05)
            segment.report(steps, save=print)
    """)
    engine.segment(1, steps=200)
    assert engine.finish(1)["score"] == 200 % 7
    assert engine.aside and all(m["step"] % 7 == 0 and 0 < m["step"] < 200 for m in engine.aside)


def test_heartbeats(engine: Engine) -> None:
    engine.start("import pbt, time\nfor segment in pbt.segments(): time.sleep(0.5)", beat=0.1)
    engine.segment(1)
    for _ in range(3):
        assert engine.read("beat") == {"type": "beat"}


def test_heartbeats_go_on_while_it_waits(engine: Engine) -> None:
    engine.start(LOOP, beat=0.05)
    for _ in range(3):
        engine.read("beat")
    engine.send(type="exit")
    engine.end()


# --- failures ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ("raise ValueError('bad lr')", "error", "ValueError: bad lr"),
        ("raise MemoryError", "memory", "MemoryError"),
        ("class OutOfMemoryError(RuntimeError): pass\n    raise OutOfMemoryError('CUDA')", "memory", "CUDA"),
        ("raise RuntimeError('RESOURCE_EXHAUSTED: while allocating')", "memory", "RESOURCE_EXHAUSTED"),
        ("raise RuntimeError('CUDA error: out of memory')", "memory", "out of memory"),
        ("raise KeyboardInterrupt", "preempted", "KeyboardInterrupt"),
        ("raise BaseException('odd')", "error", "odd"),
        ("raise OSError('x' * 30_000)", "error", "OSError: xxx"),
        ("segment.hypers['momentum']", "error", "no hyperparameter momentum; there are: lr"),
        ("segment.report('high', save=print)", "error", "TypeError: the score is 'high', a str; want a number"),
        ("segment.report([0.5], save=print)", "error", "TypeError: the score is [0.5], a list; want a number"),
        ("for step in segment: raise ZeroDivisionError", "error", "ZeroDivisionError"),
    ],
)
def test_an_exception_reaches_the_engine_and_the_user(engine: Engine, body: str, kind: str, text: str) -> None:
    engine.start(f"import pbt\nfor segment in pbt.segments():\n    {body}")
    engine.segment(5)
    failed = engine.read()  # and it hangs up at once, so that the engine gives it no other segment
    if failed["type"] == "loaded":
        failed = engine.read()
    assert (failed["type"], failed["lease"], failed["kind"]) == ("failed", 5, kind)
    assert "Traceback (most recent call last)" in failed["error"] and text in failed["error"]
    assert len(failed["error"].encode()) <= 16 << 10
    engine.read("eof")
    assert "Traceback" in engine.end(*INTERRUPTED if kind == "preempted" else (1,))


def test_an_exception_in_save(engine: Engine) -> None:
    engine.start("import pbt\nfor segment in pbt.segments(): segment.report(1, save=lambda d: open(d + '/no/such', 'w'))")
    engine.segment(1)
    engine.read("loaded")
    engine.read("report")
    engine.send(type="save", lease=1, dir=str(engine.directory))
    assert "FileNotFoundError" in engine.read("failed")["error"]
    engine.end(1)


def test_a_checkpoint_is_wanted_and_there_is_no_save(engine: Engine) -> None:
    engine.start("import pbt\nfor segment in pbt.segments(): segment.report(1)")
    engine.segment(1)
    engine.read("loaded")
    engine.read("report")
    engine.send(type="save", lease=1, dir=str(engine.directory))
    assert "a checkpoint is wanted: report(score, save=" in engine.read("failed")["error"]
    engine.end(1)


@pytest.mark.parametrize("body", ["pass", "continue", "segment.fresh"])
def test_a_loop_that_does_not_report(engine: Engine, body: str) -> None:
    engine.start(f"import pbt\nfor segment in pbt.segments():\n    {body}")
    engine.segment(3)
    failed = engine.read("failed")
    assert failed["lease"] == 3 and "before segment 3 had reported" in failed["error"]
    engine.read("eof")
    assert "before segment 3 had reported" in engine.end(1)


@pytest.mark.parametrize(("ending", "code"), [("break", 0), ("sys.exit(3)", 3), ("raise SystemExit", 0)])
def test_a_program_that_ends_within_a_segment(engine: Engine, ending: str, code: int) -> None:
    engine.start(f"import pbt, sys\nfor segment in pbt.segments(): {ending}")
    engine.segment(1)
    failed = engine.read("failed")
    assert failed["kind"] == "error" and failed["error"] == "the program ended in the middle of segment 1"
    engine.end(code)


def test_a_break_after_the_report_ends_the_connection(engine: Engine) -> None:
    engine.start(
        "import pbt, time\nfor segment in pbt.segments():\n    segment.report(1, save=print)\n    break\ntime.sleep(5)"
    )
    engine.segment(1)
    engine.finish(1)
    began = time.monotonic()
    engine.read("eof")
    assert time.monotonic() - began < 4
    engine.end()


def test_an_exception_that_the_script_handles_fails_nothing(engine: Engine) -> None:
    engine.start("""
        import pbt
        for segment in pbt.segments():
            try: segment.report("high", save=print)
            except TypeError: segment.report(float("nan"), save=print)
    """)
    engine.segment(1)
    assert engine.finish(1)["score"] == "NaN"
    engine.send(type="exit")
    engine.end()


def test_a_previous_excepthook_is_called(engine: Engine) -> None:
    engine.start("""
        import pbt, sys
        sys.excepthook = lambda kind, error, trace: print("mine:", error)
        for segment in pbt.segments(): raise ValueError("v")
    """)
    engine.segment(1)
    engine.read("failed")
    engine.end(1)
    assert engine.out == "mine: v\n"


# --- the engine's word ------------------------------------------------------------


def test_an_error_message_is_raised(engine: Engine) -> None:
    engine.start(LOOP)
    engine.segment(1)
    engine.read("report", "loaded")
    engine.send(type="error", error="report: score is the text", fatal=True)
    engine.hang_up()
    assert "ProtocolError: the engine: report: score is the text" in engine.end(1)


@pytest.mark.parametrize("answer", [{"type": "error", "error": "want version 2"}, {"type": "welcome", "protocol": 2}])
def test_another_version(engine: Engine, answer: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    send = engine.send
    monkeypatch.setattr(engine, "send", lambda **message: send(**answer))
    engine.start(LOOP)
    error = engine.end(1)
    assert "want version 2" in error or "this client speaks protocol 1" in error


def test_what_makes_no_sense_is_an_error(engine: Engine) -> None:
    engine.start(LOOP)
    engine.send(type="save", lease=1, dir="/")
    assert "ProtocolError: the engine says save, which makes no sense now" in engine.end(1)


def test_no_engine(engine: Engine) -> None:
    with pytest.raises(TimeoutError if os.sys.version_info >= (3, 10) else OSError):  # type: ignore[attr-defined]
        engine._listener.settimeout(0.5)
        engine.start(LOOP, PBT_SOCKET="/no/such/socket")
    assert "cannot reach the engine at /no/such/socket" in engine.end(1)


def test_stop_while_it_waits(engine: Engine) -> None:
    engine.start(LOOP)
    engine.send(type="stop", reason="enough", grace=30)
    engine.end()
    assert engine.out == "last line\n"


def test_stop_with_time_enough_finishes_the_segment(engine: Engine) -> None:
    engine.start(SLOW)
    engine.segment(1, steps=25)
    engine.read("loaded")
    engine.send(type="stop", reason="enough", grace=30)
    engine.read("report")
    engine.save(1)
    engine.end()
    assert engine.out == "begins\nlast line\n"


def test_stop_with_too_little_time_gives_the_segment_up(engine: Engine) -> None:
    engine.start(SLOW)
    engine.segment(1, steps=1000)
    engine.read("loaded")
    began = time.monotonic()
    engine.send(type="stop", reason="enough", grace=5)
    assert engine.read() == {"type": "failed", "lease": 1, "kind": "preempted", "error": "enough"}
    assert time.monotonic() - began < 4
    engine.read("eof")
    assert engine.end() == ""
    assert engine.out == "begins\n"


def test_stopping_is_seen_by_a_script_that_counts_itself(engine: Engine) -> None:
    engine.start("""
        import pbt, time
        for segment in pbt.segments():
            segment.in_force()
            while not segment.stopping: time.sleep(0.01)
            segment.report(1, save=print)
    """)
    engine.segment(1)
    engine.read("loaded")
    engine.send(type="stop", reason="enough", grace=30)
    engine.read("report")
    engine.save(1)
    engine.end()


@pytest.mark.parametrize(
    "body",
    [
        "for step in segment: time.sleep(0.01)",
        "for c in segment.chunks(5): time.sleep(0.05)",
        "time.sleep(1); segment.report(1, save=print)",
    ],
)
def test_the_engine_dies(engine: Engine, body: str) -> None:
    engine.start(f"import pbt, time\nfor segment in pbt.segments():\n    segment.in_force()\n    {body}\nprint('on')")
    engine.segment(1, steps=10**6)
    engine.read("loaded")
    engine.hang_up()
    error = engine.end(1)
    assert error.startswith("pbt: the engine is gone, the segment is given up") and "Traceback" not in error
    assert engine.out == ""


# --- signals ----------------------------------------------------------------------


def begun(engine: Engine) -> int:
    assert engine.process is not None and engine.process.stdout is not None
    assert engine.process.stdout.readline() == "begins\n"
    return engine.process.pid


def test_sigterm_finishes_the_segment_and_hands_the_next_one_back(engine: Engine) -> None:
    engine.start(SLOW)
    engine.segment(1, steps=20)
    os.kill(begun(engine), signal.SIGTERM)
    engine.finish(1)
    engine.segment(2)
    assert engine.read() == {"type": "failed", "lease": 2, "kind": "preempted", "error": "SIGTERM"}
    engine.end()


def test_a_failed_trainer_hangs_up_before_it_has_ended(engine: Engine) -> None:
    engine.start("""
        import atexit, pbt, time
        atexit.register(time.sleep, 5)
        for segment in pbt.segments(): raise ValueError
    """)
    engine.segment(1)
    engine.read("failed")
    began = time.monotonic()
    engine.read("eof")
    assert time.monotonic() - began < 4
    engine.end(1)


def test_sigterm_then_nothing_more_to_do(engine: Engine) -> None:
    engine.start(SLOW)
    engine.segment(1, steps=20)
    os.kill(begun(engine), signal.SIGTERM)
    engine.finish(1)
    engine.read("eof")
    engine.end()


def test_a_second_sigterm_ends_it_at_once(engine: Engine) -> None:
    engine.start(SLOW)
    engine.segment(1, steps=10**6)
    pid = begun(engine)
    os.kill(pid, signal.SIGTERM)
    time.sleep(0.2)
    os.kill(pid, signal.SIGTERM)
    engine.end(-signal.SIGTERM)


def test_sigterm_while_it_waits(engine: Engine) -> None:
    engine.start(LOOP)
    time.sleep(0.2)
    assert engine.process is not None
    engine.process.terminate()
    engine.read("eof")
    assert engine.end() == "" and engine.out == "last line\n"


def test_interrupts_cut_no_message_and_repeat_none(engine: Engine) -> None:
    engine.start("""
        import pbt, signal, time
        class Alarm(Exception): pass
        armed = False
        def alarm(*args):
            global armed
            if armed:
                armed = False
                raise Alarm
        signal.signal(signal.SIGALRM, alarm)
        big = {f"{i:0200}": i for i in range(1000)}
        for segment in pbt.segments():
            alarms = sent = 0
            while min(alarms, sent) < 60:
                try:
                    armed = True
                    signal.setitimer(signal.ITIMER_REAL, 1e-3 * (1 + alarms % 30))  # some come late even on a busy machine
                    while armed:  # an exception in a destructor is lost
                        session = segment._session
                        session.send({"type": "report", "lease": time.monotonic_ns(), "metrics": big})
                        sent += 1
                except Alarm:
                    alarms += 1
            segment.report(alarms, save=print)
    """)
    engine.segment(1)
    seen: list[int] = []
    while (message := engine.read("report", "loaded"))["type"] == "report":
        assert len(message["metrics"]) == 1000
        seen.append(message["lease"])
    assert len(seen) > 50 and seen == sorted(set(seen))
    assert engine.read("report")["score"] > 50


def test_a_scripts_own_handler_stays(engine: Engine) -> None:
    engine.start("import signal\nsignal.signal(signal.SIGTERM, lambda *a: print('mine', flush=True))\n" + "import pbt\n"
                 "for segment in pbt.segments(): pass")  # fmt: skip
    time.sleep(0.2)
    assert engine.process is not None and engine.process.stdout is not None
    engine.process.terminate()
    assert engine.process.stdout.readline() == "mine\n"
    engine.send(type="exit")
    engine.end()


def test_ctrl_c(engine: Engine) -> None:
    engine.start(SLOW)
    engine.segment(1, steps=10**6)
    pid = begun(engine)
    engine.read("loaded")
    os.kill(pid, signal.SIGINT)
    failed = engine.read("failed")
    assert failed["kind"] == "preempted" and "KeyboardInterrupt" in failed["error"]
    engine.end(*INTERRUPTED)


def test_after_the_loop_sigterm_is_itself_again(engine: Engine) -> None:
    engine.start("""
        import pbt, signal, sys
        hook = sys.excepthook
        for segment in pbt.segments(): pass
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and sys.excepthook is hook
    """)
    engine.send(type="exit")
    assert engine.end() == ""


# --- processes and threads --------------------------------------------------------

WORKERS = """
    import multiprocessing, os, sys, time, pbt

    def work(queue):
        assert not os.environ["PBT_SOCKET"]
        if sys.argv[1] == "fork":
            segment.report(0)                 # of no consequence: the parent's segment
        queue.put(os.getpid())
        time.sleep(60)

    if __name__ == "__main__":
        for segment in pbt.segments():
            segment.progress(1)
            context = multiprocessing.get_context(sys.argv[1])
            queue = context.Queue()
            workers = [context.Process(target=work, args=(queue,)) for _ in range(2)]
            for w in workers: w.start()
            if sys.argv[1] != "fork":
                for w in workers: assert queue.get(timeout=10) != os.getpid()
            else:
                for w in workers: w.join(0.3)
            for w in workers: w.terminate()   # SIGTERM must still end them
            for w in workers: w.join(5)
            assert all(w.exitcode is not None for w in workers)
            segment.report(1, save=print)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_have_no_part_in_the_conversation(engine: Engine, method: str) -> None:
    engine.start(WORKERS, method)
    for lease in (1, 2):
        engine.segment(lease)
        assert engine.finish(lease)["score"] == 1
    engine.send(type="exit")
    engine.end()


def test_a_forked_worker_does_not_hold_the_connection(engine: Engine) -> None:
    engine.start("""
        import os, signal, time, pbt
        for segment in pbt.segments():
            if os.fork() == 0:
                os.close(1); os.close(2)
                time.sleep(5)
                os._exit(0)
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    engine.segment(1)
    began = time.monotonic()
    engine.read("eof")
    assert time.monotonic() - began < 4
    engine.end(-signal.SIGKILL)


def test_a_forked_worker_that_fails_says_nothing(engine: Engine) -> None:
    engine.start("""
        import os, pbt, sys
        for segment in pbt.segments():
            if os.fork() == 0:
                raise ValueError("the worker's own")
            os.wait()
            segment.report(1, save=print)
    """)
    engine.segment(1)
    engine.finish(1)
    engine.send(type="exit")
    assert "the worker's own" in engine.end()


def test_an_unguarded_script_in_a_spawned_worker(engine: Engine) -> None:
    engine.start("""
        import multiprocessing, pbt
        for segment in pbt.segments():
            w = multiprocessing.get_context("spawn").Process(target=print)
            w.start(); w.join()
            segment.report(w.exitcode, save=print)
    """)
    engine.segment(1)
    assert engine.finish(1)["score"] == 1
    engine.send(type="exit")
    assert "a trainer has one loop, in one process" in engine.end()


def test_a_second_loop(engine: Engine) -> None:
    engine.start("import pbt\nfor s in pbt.segments(): pass\nfor s in pbt.segments(): pass")
    engine.send(type="exit")
    assert "one loop, in one process" in engine.end(1)


def test_threads_that_flood(engine: Engine) -> None:
    """No line is ever cut or mixed, whatever threads, heartbeats and a slow reader do."""
    engine.start("""
        import pbt, threading
        from pbt import _client
        _client.PROGRESS_S = 0
        for segment in pbt.segments():
            segment.in_force()
            def flood():
                for i in range(3000): segment.progress(i, **{f"metric{k}": i for k in range(20)})
            threads = [threading.Thread(target=flood) for _ in range(4)]
            for t in threads: t.start()
            for t in threads: t.join()      # nobody reads meanwhile: what finds no room is dropped
            segment.report(1, samples=range(10_000), save=print)
    """, beat=0.001)  # fmt: skip
    engine.segment(1)
    time.sleep(1)
    report = engine.finish(1)
    assert report["samples"] == list(range(10_000))
    sent = [m for m in engine.aside if m["type"] == "progress"]
    assert 10 < len(sent) < 12_000 and all(len(m["metrics"]) == 20 for m in sent)
    engine.send(type="exit")
    engine.end()


def test_a_loop_in_a_thread(engine: Engine) -> None:
    engine.start("import threading, pbt\n" + "def main():\n    for segment in pbt.segments(): segment.report(1, save=print)\n"
                 "t = threading.Thread(target=main); t.start(); t.join()")  # fmt: skip
    engine.segment(1)
    engine.finish(1)
    engine.send(type="exit")
    assert engine.end() == ""


def test_what_the_script_prints_is_its_own(engine: Engine, tmp_path: pathlib.Path) -> None:
    engine.start(SLOW)
    engine.segment(1, steps=1)
    engine.finish(1)
    engine.send(type="exit")
    engine.end()
    assert engine.out == "begins\nlast line\n"
