"""The fault campaign: every fault at every request of every operation, judged after every change of either cloud.

`tests/campaign.sh --help` shows how to run it. A *case* is an operation, one of its requests, and a fault there. A
*trial* runs a case on the real engine against the local cloud, recovers as the documentation says, and records what a
codespace could do meanwhile.

    operations.py   the operations, and the program before and after each of them
    faults.py       the faults
    observer.py     the checks after every change: can codespaces pull?
    contenders.py   the programs: this package, and hand-written stock resources
    trial.py        one case, its recovery, and the leftovers
    cases.py        the list of cases
    workers.py      several processes that run them
    report.py       the table
"""
