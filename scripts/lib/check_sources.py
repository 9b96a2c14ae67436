"""Rules about the text of this repository that neither the compiler nor `swift format` checks.

Prints one line per finding, as `file:line: what and how to mend it`, and ends with 1 when there is one.
"""

import json
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator

LONG, LONGEST = 300, 500

# A construct that needs its reason beside it, on the same line or in a comment on the line above.
NEEDS_REASON = {
    r"@unchecked\s+Sendable": "@unchecked Sendable",
    r"nonisolated\(unsafe\)": "nonisolated(unsafe)",
    r"\bTask\.(detached|immediateDetached)\b": "Task.detached",
    r"\bTask(\([^)]*\))?\s*\{": "an unstructured Task",
    r"@preconcurrency\b": "@preconcurrency",
}
# What has no place in Sources: nothing that comes from outside may end the process.
FORBIDDEN = {
    r"\btry!": "try! ends the process; throw a SimplonError",
    r"\bas!": "as! ends the process; use as? and throw a SimplonError",
    r"\bfatalError\(": "fatalError ends the process; throw a SimplonError, or use precondition for a bug of ours",
    r"\bunowned\(unsafe\)": "unowned(unsafe) is undefined behaviour when it goes wrong",
}
DECLARATION = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:package|public|open)\s+(?!import\b|extension\b)"
    r"(?:(?:package|public|internal|private|fileprivate)\(set\)\s+)?"
    r"(?:(?:final|static|class|mutating|nonmutating|nonisolated|override|indirect|convenience|consuming|borrowing|"
    r"isolated|lazy|weak|required|dynamic|prefix|postfix|infix)\s+|nonisolated\([^)]*\)\s+|@\w+(?:\([^)]*\))?\s+)*"
    r"(?P<kind>struct|class|enum|actor|protocol|func|var|let|init|subscript|typealias|case|associatedtype|macro)\b"
    r"\s*(?P<name>`[^`]+`|[\w]+|[^\s\w(]+)?"
)
# Requirements of the standard library's protocols, whose meaning is theirs.
WITNESSES = {
    "==", "<", "hash", "encode", "description", "debugDescription", "makeAsyncIterator", "makeIterator", "next",
    "errorDescription", "startIndex", "endIndex", "index", "rawValue", "customMirror",
}  # fmt: skip
# A path of one person's machine: this very folder, or somebody's home. A folder right below the root, as containers have
# it, is too short to tell from other text.
HERE = pathlib.Path.cwd()
MACHINE_PATH = re.compile(
    (rf"{re.escape(str(HERE))}(?=[/\s\"')]|$)|" if len(HERE.parts) > 2 else "") + r"/(?:home|Users)/[a-z]\w*/|/root/\w"
)
TEXT = {
    ".swift",
    ".c",
    ".h",
    ".sql",
    ".md",
    ".py",
    ".sh",
    ".yaml",
    ".yml",
    ".json",
    ".txt",
    ".lua",
    ".toml",
    ".ini",
    "",
}


def tracked(*folders: str) -> list[pathlib.Path]:
    """Every text file that belongs to the repository: known to git, or new and not ignored."""
    listed = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *folders], text=True
    )
    paths = [pathlib.Path(name) for name in listed.split("\0") if name]
    return [path for path in paths if path.suffix in TEXT and path.is_file()]


def code_of(line: str) -> str:
    """The line without its comment and without what its string literals say."""
    return re.sub(r"//.*", "", re.sub(r'"(?:\\.|[^"\\])*"', '""', line))


def sizes(path: pathlib.Path, lines: list[str]) -> Iterator[str]:
    if len(lines) > LONGEST:
        yield f"{path}:{LONGEST}: {len(lines)} lines; stop at {LONGEST}: cut the file by nouns"


def constructs(path: pathlib.Path, lines: list[str]) -> Iterator[str]:
    in_sources = path.parts[0] == "Sources"
    in_text = False
    for number, line in enumerate(lines, 1):
        if line.count('"""') % 2 == 1:
            in_text = not in_text
            continue
        if in_text:
            continue
        code = code_of(line)
        for pattern, what in FORBIDDEN.items() if in_sources else ():
            if re.search(pattern, code):
                yield f"{path}:{number}: {what}"
        explained = "//" in line or (number > 1 and lines[number - 2].lstrip().startswith("//"))
        for pattern, what in NEEDS_REASON.items() if in_sources else ():
            if re.search(pattern, code) and not explained:
                yield f"{path}:{number}: {what} needs its reason in a comment, on the line or above it"


def documentation(path: pathlib.Path, lines: list[str]) -> Iterator[str]:
    """Public and package declarations without a doc comment.

    What an extension declares to fulfil a protocol is documented there: `extension Name: Protocol {…}` is passed over.
    A file whose declarations are explained by their own text says so: `// check: documented by …`.
    """
    if any(line.startswith("// check: documented by ") for line in lines):
        return
    in_text = in_conformance = False
    for number, line in enumerate(lines, 1):
        if line.count('"""') % 2 == 1:
            in_text = not in_text
        if in_text:
            continue
        if re.match(r"(@\w+\s+)*extension\s+[\w.]+\s*:", line):
            in_conformance = not line.rstrip().endswith("}")
        elif line.startswith("}"):
            in_conformance = False
        found = None if in_conformance else DECLARATION.match(line)
        if not found or found["name"] in WITNESSES or "override" in line.split(found["kind"])[0]:
            continue
        above = number - 2
        while above >= 0 and re.match(r"\s*(@|#if|#else|#endif|//(?!/))", lines[above]):
            above -= 1
        if above < 0 or not re.match(r"\s*(///|\*/)", lines[above]):
            yield f"{path}:{number}: {found['kind']} {found['name'] or ''} has no doc comment"


def machine_paths(path: pathlib.Path, lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if found := MACHINE_PATH.search(line):
            yield f"{path}:{number}: {found[0]} is a path of one machine"


def links(path: pathlib.Path, lines: list[str]) -> Iterator[str]:
    in_code = False
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        if in_code:
            continue
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (path.parent / name) if name else path
            if not file.exists():
                yield f"{path}:{number}: link to {target}, which is not there"
            elif anchor and file.suffix == ".md" and anchor not in anchors(file):
                yield f"{path}:{number}: link to {target}: {file} has no such heading"


def anchors(file: pathlib.Path) -> set[str]:
    """The names that a page's headings get as link targets."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def arrows() -> Iterator[str]:
    """Each module imports exactly those of our modules that Package.swift allows it, and they make no circle."""
    package = json.loads(
        subprocess.check_output(["swift", "package", "--scratch-path", ".build/manifest", "dump-package"])
    )
    ours = {target["name"]: target for target in package["targets"]}
    down = {
        name: {entry["byName"][0] for entry in target["dependencies"] if "byName" in entry} & ours.keys()
        for name, target in ours.items()
    }
    for name, target in ours.items():
        if target["type"] == "system":
            continue
        folder = pathlib.Path(target.get("path") or f"{'Tests' if target['type'] == 'test' else 'Sources'}/{name}")
        swift = list(folder.rglob("*.swift"))
        text = "\n".join(path.read_text() for path in swift)
        imported = set(re.findall(r"^\s*(?:@\w+\s+)*(?:\w+\s+)?import\s+(\w+)", text, re.MULTILINE)) & ours.keys()
        for extra in sorted(imported - down[name]):
            yield f"Package.swift:1: {name} imports {extra}, and the manifest does not let it"
        for idle in sorted(down[name] - imported) if swift and target["type"] != "test" else ():
            yield f"Package.swift:1: {name} depends on {idle} and never imports it"
    seen: dict[str, int] = {}  # 1: on the path that we walk, 2: proved free of circles

    def walk(name: str, path: list[str]) -> Iterator[str]:
        if seen.get(name) == 1:
            yield f"Package.swift:1: the modules make a circle: {' -> '.join([*path, name])}"
        if name in seen:
            return
        seen[name] = 1
        for below in sorted(down[name]):
            yield from walk(below, [*path, name])
        seen[name] = 2

    for name in sorted(down):
        yield from walk(name, [])


def main() -> None:
    findings, long = list(arrows()), []
    for path in tracked():
        lines = path.read_text(errors="replace").splitlines()
        if path.suffix in {".swift", ".c", ".h", ".py", ".sh"}:
            findings += sizes(path, lines)
            if len(lines) > LONG:
                long.append(f"{path}: {len(lines)} lines; look again whether it is one thing")
        if path.suffix == ".swift":
            findings += constructs(path, lines)
        if path.suffix == ".swift" and path.parts[0] == "Sources":
            findings += documentation(path, lines)
        if path.suffix == ".md":
            findings += links(path, lines)
        findings += machine_paths(path, lines)
    for line in long:
        print(f"note: {line}")
    for line in findings:
        print(line)
    if findings:
        sys.exit(f"{len(findings)} findings")


if __name__ == "__main__":
    main()
