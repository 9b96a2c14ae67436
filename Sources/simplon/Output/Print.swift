import SimplonCore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What commands write: results to standard output, everything else to standard error.
enum Print {
  /// A line of the result.
  static func out(_ text: some StringProtocol) {
    write(String(text) + "\n", to: 1)
  }

  /// A line about what is going on.
  static func note(_ text: String) { write(text + "\n", to: 2) }

  /// Writes all of the text at once; a reader that has gone away is no fault.
  static func write(_ text: String, to descriptor: Int32) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { buffer in Glibc.write(descriptor, buffer.baseAddress, buffer.count) }
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }

  /// An error with its hint, as a person reads it.
  static func error(_ error: SimplonError) {
    note("\(paint("error:", "31")) \(error.message) \(dim("[\(error.code.rawValue)]"))")
    if let hint = error.hint { note("       \(hint)") }
  }

  /// A small sign for a status.
  static func mark(_ status: String) -> String {
    switch status {
    case "completed": paint("✓", "32")
    case "failed": paint("✗", "31")
    case "cancelled", "skipped": paint("–", "33")
    case "running": paint("▸", "36")
    default: "·"
    }
  }

  /// Less important text.
  static func dim(_ text: String) -> String { paint(text, "2") }

  /// The text with spaces up to a width.
  static func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  /// Colours only on a terminal, and not where NO_COLOR is set. - Source: no-color.org
  private static let isColoured = isatty(1) == 1 && isatty(2) == 1 && getenv("NO_COLOR").map { $0.pointee == 0 } ?? true

  private static func paint(_ text: String, _ code: String) -> String {
    isColoured ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }
}
