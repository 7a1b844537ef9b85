"""The fault campaign: every fault at every request of every operation, with a judge at every change of either cloud.

`tests/campaign.sh --help` tells how to run it. A *case* is an operation, one of its requests, and what goes wrong
there; a *trial* carries a case out on the real engine against the local cloud, recovers as the documentation says, and
writes down what a codespace could do meanwhile.

    operations.py   what is done, and what a program declares before and after it
    faults.py       what goes wrong at a request
    observer.py     what codespaces can do, asked after every change
    contenders.py   the programs: this package, and the stock resources written by hand
    trial.py        one case, its recovery, and what is left after it
    cases.py        which cases there are
    workers.py      several processes that carry them out
    report.py       the table
"""
