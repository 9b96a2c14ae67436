extension ProgramTool {
  /// `python`: the system's Python 3 with its standard library.
  ///
  /// Modules in the work folder can be imported.
  static let python = ProgramTool(
    name: "python", summary: "Runs Python 3 code in a sandbox with no network; files in the work folder are kept.",
    field: "code", fieldSummary: "the code, taken as written", words: ["/usr/bin/python3"],
    fileName: "program.py")
}
