"""Intravisor: cVMs on Arm Morello, deployed and served as its monitor does.

Facts come from the sources of Intravisor (lsds/intravisor and its fork nerdbugg/intravisor) and from the console logs
of its runs; where neither decides, the choice is deterministic and said beside the code that makes it.
"""
