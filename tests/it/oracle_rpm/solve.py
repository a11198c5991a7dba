"""Installs sets of packages as dnf does: libsolv, with the settings of libdnf.

solve.py BASE LISTED [FILELISTS]: primary.xml of what is installed and of what
there is, and the file lists of the latter. Each line of input is a set, as
JSON: the roots, and where `only` is not null, the NEVRAs of all that there is
to choose from. Each line of output is what would be done, or why it cannot be.
"""
import json
import sys

import solv


def repository(pool, name, *files):
    repo = pool.add_repo(name)
    for path, language, flags in files:
        # A repository without packages is one, too.
        repo.add_rpmmd(solv.xfopen(path), language, flags)
    return repo


def nevra(one):
    return str(one)


class Host:
    def __init__(self, base, listed, filelists=None):
        pool = self.pool = solv.Pool()
        pool.setdisttype(solv.Pool.DISTTYPE_RPM)
        pool.setarch("x86_64")
        pool.set_flag(solv.Pool.POOL_FLAG_IMPLICITOBSOLETEUSESCOLORS, 1)
        pool.installed = repository(pool, "@System", (base, None, 0))
        files = [(listed, None, 0)]
        if filelists:
            files.append((filelists, "FL", solv.Repo.REPO_EXTEND_SOLVABLES))
        self.listed = repository(pool, "listed", *files)
        pool.addfileprovides()
        pool.createwhatprovides()
        self.by_name = {}
        for one in pool.solvables:
            self.by_name.setdefault(one.name, []).append(one)
        self.obsoleting = [
            (one, dep)
            for one in self.listed.solvables
            for dep in one.lookup_deparray(solv.SOLVABLE_OBSOLETES)
        ]

    def job(self, root):
        """What dnf makes of a name: its newest, for this architecture, or what obsoletes that."""
        pool = self.pool
        named = self.by_name.get(root, [])
        own = [one for one in named if one.arch in ("x86_64", "noarch")]
        best = None
        for one in own or named:
            if best is None or one.evrcmp(best) > 0:
                best = one
        if best is None:
            selection = pool.select(root, solv.Selection.SELECTION_PROVIDES)
            return selection.jobs(solv.Job.SOLVER_INSTALL)
        meant = {best.id: best}
        for one, dep in self.obsoleting:
            if one.name != best.name and best.matchesdep(solv.SOLVABLE_NAME, dep):
                meant[one.id] = one
        one_of = pool.towhatprovides(sorted(meant))
        return [pool.Job(solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_SOLVABLE_ONE_OF, one_of)]

    def solve(self, asked):
        pool = self.pool
        if asked["only"] is None:
            considered = list(pool.solvables)
        else:
            only = set(asked["only"])
            considered = list(pool.installed.solvables)
            considered += [one for one in self.listed.solvables if nevra(one) in only]
        pool.set_considered_list([one.id for one in considered])
        jobs = []
        for root in asked["roots"]:
            found = self.job(root)
            if not found:
                return {"problem": f"nothing is or provides {root}"}
            jobs += found
        solver = pool.Solver()
        solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
        solver.set_flag(solv.Solver.SOLVER_FLAG_ALLOW_VENDORCHANGE, 1)
        solver.set_flag(solv.Solver.SOLVER_FLAG_KEEP_ORPHANS, 1)
        solver.set_flag(solv.Solver.SOLVER_FLAG_BEST_OBEY_POLICY, 1)
        solver.set_flag(solv.Solver.SOLVER_FLAG_YUM_OBSOLETES, 1)
        problems = solver.solve(jobs)
        if problems:
            return {"problem": "; ".join(str(problem) for problem in problems)}
        done = solver.transaction()
        gone = [
            one
            for step in done.classify()
            if step.type in (solv.Transaction.SOLVER_TRANSACTION_ERASE,
                             solv.Transaction.SOLVER_TRANSACTION_OBSOLETED)
            for one in step.solvables()
        ]
        return {
            "installs": sorted(nevra(one) for one in done.newsolvables()),
            "removes": sorted(nevra(one) for one in gone),
        }


host = Host(*sys.argv[1:])
for line in sys.stdin:
    print(json.dumps(host.solve(json.loads(line))), flush=True)
