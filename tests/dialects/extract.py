#!/usr/bin/env python3
"""Writes what each program understands, as its own sources say, to tables/.

    tests/dialects/extract.py SOURCES

SOURCES is a folder with one folder for each program and version, named as in
VERSIONS below and laid out as the project's own tree at that tag (`git
archive`); only the files named there are read. A table says where it comes
from in its first lines; `tests/it/dialects.rs` judges rendered files by it.
No network is used, and nothing is written where a source looks different from
what is known here: the script ends with an error instead.
"""
import ast
import pathlib
import re
import sys

TABLES = pathlib.Path(__file__).resolve().parent / "tables"

EXEC_PREFIX = re.compile(r"\*(?:f|word) == '(.)'")
HEADING = re.compile(r"^(\d+(?:\.\d+)*)\.? +(\S.*)$")


def systemd(tree):
    """Sections with their directives, what may stand before a program, and endless timeouts."""
    core = tree / "src/core"
    gperf = next(core.glob("load-fragment-gperf.gperf.*"))
    shared, known = {}, set()
    macro = None
    for line in gperf.read_text().splitlines():
        begin = re.search(r"(?:m4_define\(`|macro )([A-Z]+_CONTEXT_CONFIG_ITEMS)", line)
        use = re.match(r"(?:\{\{ )?([A-Z]+_CONTEXT_CONFIG_ITEMS)\('?([A-Za-z]+)'?\)", line)
        item = re.match(r"`?(\$1|\{\{type\}\}|[A-Z][A-Za-z]*)\.([A-Z][A-Za-z0-9]*),\s*(\w+),\s*(\w+)", line)
        if begin:
            macro = shared.setdefault(begin[1], set())
        elif use:
            known |= {f"{use[2]}.{name}" for name in shared[use[1]]}
        elif item and item[4] != "DISABLED_LEGACY":
            if item[1] in ("$1", "{{type}}"):
                macro.add(item[2])
            else:
                known.add(f"{item[1]}.{item[2]}")
    parser = (core / "load-fragment.c").read_text()

    def body(function):
        begin = parser.index(f"int {function}(")
        return parser[begin : parser.index("\n}\n", begin)]

    known |= {f"exec-prefix {prefix}" for prefix in EXEC_PREFIX.findall(body("config_parse_exec"))}
    # Elsewhere it is read, too, but added to the time of day as a number.
    if "USEC_INFINITY" in body("config_parse_service_timeout"):
        known.add("timeout infinity")
    # [Install] is read by systemctl itself.
    install = (tree / "src/shared/install.c").read_text()
    known |= {f"Install.{name}" for name in re.findall(r'"Install",\s*"(\w+)"', install)}
    return known


def sections(text):
    """The manual's sections by title, each with its lines."""
    lines = text.splitlines()
    found, title = {}, None
    for number, line in enumerate(lines):
        heading = HEADING.match(line)
        below = lines[number + 1] if number + 1 < len(lines) else ""
        if heading and re.fullmatch(r"-{3,}", below):
            title = heading[2].strip()
            found[title] = []
        elif title:
            found[title].append(line)
    return found


def options(lines):
    """Keywords of a reference: each with the number of its values, and its text.

    Several may share a text; prose ends with an empty line instead.
    """
    found, headings, about = {}, [], []
    for line in [*lines, ""]:
        heading = re.match(r"^([a-z][a-z0-9._/-]*)((?:[ (<\[].*)?)$", line)
        if heading:
            if about:
                headings, about = [], []
            headings.append((heading[1], len(re.findall(r"<[^>]*>|\[[^\]]*\]", heading[2]))))
        elif line.startswith(" ") and headings:
            about.append(line)
            for name, values in headings:
                found[name] = (values, about)
        elif not about:
            headings = []
    return found


def haproxy(tree):
    """Keywords by section, and the options of `server`, `default-server` and `bind` lines."""
    manual = sections((tree / "doc/configuration.txt").read_text(errors="replace"))
    known = set()
    of_global = manual.get("Global parameters") or manual["Global section"]
    known |= {f"global {m[1]}" for m in (re.match(r"^   - ([a-z0-9.-]+)", l) for l in of_global) if m}
    columns = ("defaults", "frontend", "listen", "backend")
    for line in manual["Proxy keywords matrix"]:
        row = re.match(r"^([a-z][a-z0-9 ._-]*?)\s+(?:\((?:\*|deprecated)\))?\s*([X-])\s+([X-])\s+([X-])\s+([X-])$", line.replace("(!)", ""))
        if row:
            known |= {f"{c} {row[1]}" for c, mark in zip(columns, row.groups()[1:]) if mark == "X"}
    for name, (values, about) in options(manual["Server and default-server options"]).items():
        known.add(f"server {name} {values}")
        if not any("Supported in default-server: No" in line for line in about):
            known.add(f"default-server {name} {values}")
    known |= {f"bind {name} {values}" for name, (values, _) in options(manual["Bind options"]).items()}
    known |= {f"userlist {name}" for name in options(manual["Userlists"])}
    return known


def keepalived(tree):
    """Keywords by the block that they stand in, as the parsers install them."""
    # Files are included by whoever reads lines, so in any block.
    reads_lines = (tree / "lib/parser.c").read_text()
    known = {"* include"} if "check_include(" in reads_lines else set()
    for source in ("vrrp/vrrp_parser.c", "core/global_parser.c"):
        root, block, within = None, [], []
        pattern = r"install_(keyword_root|keyword|sublevel_end|sublevel)(?:_quoted|_conditional)?\((?:\"([a-z_0-9]+)\")?"
        for verb, name in re.findall(pattern, (tree / "keepalived" / source).read_text()):
            if verb == "keyword_root":
                root, block, last = name, [], None
                known.add(f"{name}")
            elif verb == "sublevel":
                block.append(last)
            elif verb == "sublevel_end":
                block.pop()
            elif root and name:
                known.add(" ".join([root, *block, name]))
                last = name
    return known


def cloud_init(tree):
    """Modules, keys of a cloud-config that they read, and keys of a network-config of version 2."""
    known = set()
    for module in sorted((tree / "cloudinit/config").glob("cc_*.py")):
        text = module.read_text()
        known.add(f"module {module.stem.removeprefix('cc_')}")
        keys = re.findall(r"\bcfg(?:\[|\.get\()[\"'](\w+)[\"']", text)
        keys += re.findall(r"get_cfg_option_\w+\(\s*cfg,\s*[\"'](\w+)[\"']", text)
        known |= {f"cloud-config {name}" for name in keys}
    network = (tree / "cloudinit/net/network_state.py").read_text()
    known |= {f"network {name}" for name in re.findall(r"def handle_(bonds|bridges|ethernets|vlans|wifis)", network)}
    known |= {f"network {name}" for name in re.findall(r"net_config\.get\('(\w+)'", network)}
    # From here on it reads version 2; before, version 1.
    network = network[network.index("def handle_bonds(") :]
    names = r"(?:cfg|command|route|match|nameservers'\))(?:\.get\(|\[)'([a-z0-9_-]+)'"
    known |= {f"network {name}" for name in re.findall(names, network)}
    for keys in re.findall(r"for key in \[(.*?)\]", network):
        known |= {f"network {name}" for name in re.findall(r"'([a-z0-9-]+)'", keys)}
    return known


def etcd(tree):
    """Flags, each of which is also a variable of the environment."""
    sources = [path for path in sorted(tree.rglob("config.go"))]
    text = "\n".join(path.read_text() for path in sources)
    return set(re.findall(r"fs\.\w+\((?:[^\"]|\"\")*?\"([a-z0-9-]+)\"", text))


def pgbouncer(tree):
    """Keys of `[pgbouncer]` and of a database."""
    settings = re.findall(r"CF_(?:ABS|REL)\(\"(\w+)\"", (tree / "src/main.c").read_text())
    loader = (tree / "src/loader.c").read_text()
    database = re.findall(r"strcmp\(\"(\w+)\", key\)", loader)
    return {f"pgbouncer {name}" for name in settings} | {f"databases {name}" for name in database}


def patroni(tree):
    """Functions of Patroni's client of etcd, with what they are called on."""
    module = ast.parse((tree / "patroni/dcs/etcd3.py").read_text())
    known = set()
    for outer in ast.walk(module):
        for function in getattr(outer, "body", []) if isinstance(outer, ast.ClassDef) else []:
            if isinstance(function, ast.FunctionDef):
                decorators = [d.id for d in function.decorator_list if isinstance(d, ast.Name)]
                kind = "staticmethod" if "staticmethod" in decorators else "method"
                known.add(f"{kind} {outer.name}.{function.name}")
    return known


SYSTEMD = ("src/core/load-fragment-gperf.gperf, src/core/load-fragment.c, src/shared/install.c", systemd)
HAPROXY = ("doc/configuration.txt", haproxy)
KEEPALIVED = ("keepalived/vrrp/vrrp_parser.c, keepalived/core/global_parser.c, lib/parser.c", keepalived)
ETCD = ("etcdmain/config.go, embed/config.go", etcd)
PATRONI = ("patroni/dcs/etcd3.py", patroni)
PGBOUNCER = ("src/main.c, src/loader.c", pgbouncer)
CLOUD_INIT = ("cloudinit/config/cc_*.py, cloudinit/net/network_state.py", cloud_init)

VERSIONS = [
    ("systemd", "219", "v219", *SYSTEMD),
    ("systemd", "239", "v239", *SYSTEMD),
    ("systemd", "252", "v252", *SYSTEMD),
    ("haproxy", "1.5", "v1.5.0", *HAPROXY),
    ("haproxy", "1.8", "v1.8.0", *HAPROXY),
    ("haproxy", "2.6", "v2.6.0", *HAPROXY),
    ("haproxy", "3.2", "v3.2.0", *HAPROXY),
    ("keepalived", "1.3", "v1.3.5", *KEEPALIVED),
    ("keepalived", "2.2", "v2.2.7", *KEEPALIVED),
    ("keepalived", "2.3", "v2.3.4", *KEEPALIVED),
    ("etcd", "3.3", "v3.3.11", *ETCD),
    ("etcd", "3.4", "v3.4.23", *ETCD),
    ("etcd", "3.6", "v3.6.6", *ETCD),
    ("patroni", "3.0", "v3.0.2", *PATRONI),
    ("patroni", "3.3", "v3.3.11", *PATRONI),
    ("patroni", "4.1", "v4.1.0", *PATRONI),
    ("pgbouncer", "1.16", "1.16.1", *PGBOUNCER),
    ("pgbouncer", "1.18", "1.18.0", *PGBOUNCER),
    ("pgbouncer", "1.23", "1.23.0", *PGBOUNCER),
    ("pgbouncer", "1.25", "1.25.0", *PGBOUNCER),
    ("cloud-init", "19.4", "19.4", *CLOUD_INIT),
]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    for project, line, tag, files, extract in VERSIONS:
        known = extract(folder / f"{project}-{tag.removeprefix('v')}")
        if len(known) < 50:
            sys.exit(f"{project} {tag}: only {len(known)} words were found; its sources look different")
        about = f"# {project} {tag}: {files}.\n# Written by tests/dialects/extract.py.\n"
        text = about + "".join(f"{word}\n" for word in sorted(known))
        (TABLES / f"{project}-{line}.txt").write_text(text)
        print(f"{project} {tag}: {len(known)} words")


if __name__ == "__main__":
    main()
