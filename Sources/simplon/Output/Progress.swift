import SimplonCore

/// Shows on standard error how far long work is: a bar with rate and time left on a terminal, lines of JSON where they
/// were asked for, else nothing.
struct Progress {
  /// What is counted.
  enum Unit: String { case bytes, items }

  /// Back to the line's beginning, with nothing on it.
  private static let newLine = "\r\u{1B}[K"

  private let label: String
  private let unit: Unit
  private let total: Int?
  private let asJSON: Bool
  private let start = ContinuousClock.now
  private var shown: ContinuousClock.Instant?

  /// Begins; `total` is how much there is to do, where it is known.
  init(_ label: String, of total: Int?, _ unit: Unit, asJSON: Bool) {
    self.label = label
    self.total = total
    self.unit = unit
    self.asJSON = asJSON
  }

  /// Says how much is done; what comes too often is not shown, but for the end.
  mutating func update(_ done: Int) {
    guard asJSON || Print.isErrorTerminal else { return }
    let now = ContinuousClock.now
    guard done == total || shown.map({ now - $0 >= .milliseconds(asJSON ? 1000 : 100) }) ?? true else { return }
    shown = now
    if asJSON {
      let line: JSON = [
        "progress": .string(label), "done": .integer(done), "total": total.map { .integer($0) } ?? .null,
        "unit": .string(unit.rawValue),
      ]
      Print.note(line.text)
    } else {
      try? Print.write(Self.newLine + text(done, after: now - start), to: 2)
    }
  }

  /// Takes the bar away; whatever comes next has the line.
  func clear() {
    if shown != nil, !asJSON { try? Print.write(Self.newLine, to: 2) }
  }

  /// The line for a person.
  func text(_ done: Int, after elapsed: Duration) -> String {
    let rate = elapsed > .zero ? Double(done) / elapsed.seconds : 0
    let speed = unit == .bytes ? " \(amount(Int(rate)))/s" : ""
    guard let total, total > 0 else { return "\(label) \(amount(done))\(speed)" }
    let share = min(1, max(0, Double(done) / Double(total)))
    let filled = Int(share * 20)
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 20 - filled)
    let left = rate > 0 ? ", \(Int((Double(total - done) / rate).rounded(.up))) s left" : ""
    return "\(label) \(bar) \(amount(done)) of \(amount(total))\(speed)\(left)"
  }

  private func amount(_ count: Int) -> String {
    guard unit == .bytes else { return String(count) }
    guard count >= 1000 else { return "\(count) B" }
    let isLarge = count >= 1_000_000
    let tenths = count / (isLarge ? 100_000 : 100)
    return "\(tenths / 10).\(tenths % 10) \(isLarge ? "MB" : "kB")"
  }
}
