# SPDX-License-Identifier: GPL-2.0
"""The way of a run, a folder a stage; each uses those above it in this list alone.

common      errors with their exit status, terminal output, child processes, the cache
contract    rows.read(); emit_c and emit_rust write what follows from rows (scripts/contract-glue),
            the latter from rust_over_c, rust_over_rust, rust_entries and rust_drivers
configure   request.parse() checks NAME=VALUE words; arches and variants are files in qemu/
build       toolchain.choose(), source.get(), kernel.get() with config.configure() for one that
            is not in the cache, modules.build()
boot        accel.choose(); lanes.run() runs guests until all suites of a lane have run:
            qemu.boot() starts one, session.py asks it to load modules and run suites,
            agenda.py tells what is left for the next, laneresult.py keeps what they gave
judge       results.gather() makes verdicts of what the lanes gave; ledger.build() the ledger;
            failures.py tells in fields what did not pass
report      terminal.show() for the terminal; files.save() writes results.json, junit.xml, KTAP;
            markdown.py and github.py for a CI's pages, of what told.py finds to have failed;
            page.gather.write() writes report.html, which page.document.page() makes, and cost.html
            of each arch and variant, which page/cost does
served.py   the modules of the pairs that build, in kernels where not all need to
matrix.py   the stages from build to report, for each arch and variant asked for
soak        make soak: cells.py runs one lane with one seed, kinds.py tells failures that are new
tools       gdb, KEEP=1, the shell, make new; ci.py, what a CI's jobs are; make explain:
            lane insn with a plugin of QEMU's, whose record counts.py, places.py, kinds.py and
            explain.py in judge/ make a table of; make coverage: the same with lane check, and
            covers.py, which reasons.py holds against the contract; make freeze, FROZEN=1 and
            AGAINST=rev: printing.py has programs run and
            told, which frozen.py in judge/ compares; intree.py, pairs in a kernel's source tree
mutate      mechanical mutants: find.py finds all, choose.py takes some, record.py keeps what became
            of each, score.py counts
selftest    make mutants, make test, make check, make bench-self
shard       make merge: parts.py reads what shards have left and refuses what is not whole;
            join.py makes one results.json of it, soaks.py and scores.py one soak, one score.
            How a request is split is in configure: shards.py, and identity.py, by which parts
            are known to be of one whole
verbs.py    the Makefile's verbs, each a function that calls the above
"""
