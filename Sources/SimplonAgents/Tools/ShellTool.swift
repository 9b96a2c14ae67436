extension ProgramTool {
  /// `shell`: the system's `/bin/sh`.
  ///
  /// Its exit code is that of the last command, as ever: `set -e` is the caller's.
  static let shell = ProgramTool(
    name: "shell", summary: "Runs a shell script in a sandbox with no network; files in the work folder are kept.",
    field: "command", fieldSummary: "the script, taken as written", words: ["/bin/sh"], fileName: "program.sh")
}
