"""moto's server, mended where its ECS would send tests astray.

Usage: moto_server.py PORT FIRST_HOST

Task addresses are 127.0.0.FIRST_HOST and up: moto's own are random ones of 10.0.0.0/8, which no test may ever contact.
Tasks stay RUNNING: moto's own move on towards STOPPED with every look at them.
"""

import itertools
import sys

import moto.ecs.models as ecs
from moto.moto_api import state_manager
from moto.server import main

port, first_host = sys.argv[1:]
hosts = itertools.count(int(first_host))
ecs.random_private_ip = lambda *_, **__: f"127.0.0.{next(hosts)}"
state_manager.set_transition("ecs::task", {"progression": "manual", "times": 1_000_000})
main(["--host", "127.0.0.1", "--port", port])
