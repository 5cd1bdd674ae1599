"""Work that nobody asks for over HTTP: says something now and then, until it is told to stop."""

import signal
import threading

import settings

PERIOD = float(settings.properties.get("worker.period", 5))

stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())

print(f"The worker begins, every {PERIOD:g} s.", flush=True)
rounds = 0
while not stopped.wait(PERIOD):
    rounds += 1
    print(f"{settings.greeting}, for the {rounds}. time.", flush=True)
print("The worker has been told to stop.", flush=True)
