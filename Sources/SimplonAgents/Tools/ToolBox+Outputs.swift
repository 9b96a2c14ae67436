import FoundationEssentials
import SimplonCore

/// What a program writes: passed on as lines while it runs, and the beginning kept for the step's output.
struct ProgramOutputs {
  /// Bytes of each stream that the step's output holds.
  static let limit = 256 * 1024

  private struct Stream {
    var lines: LogLineSplitter
    var kept = [UInt8]()
    var truncated = false

    /// Keeps a few bytes beyond the limit, which tell whether the last character is cut.
    mutating func take(_ bytes: [UInt8], _ log: (LogLine) -> Void) {
      lines.add(bytes, log)
      let room = ProgramOutputs.limit + 4 - kept.count
      if room > 0 { kept += bytes.prefix(room) }
      if kept.count > ProgramOutputs.limit { truncated = true }
    }
  }

  private let log: (LogLine) -> Void
  private var streams: [SandboxStream: Stream]

  /// Makes an empty one that logs so many bytes of each stream.
  init(_ limit: Int, log: @escaping (LogLine) -> Void) {
    self.log = log
    streams = [
      .stdout: Stream(lines: LogLineSplitter(.stdout, room: limit)),
      .stderr: Stream(lines: LogLineSplitter(.stderr, room: limit)),
    ]
  }

  /// Takes what was written.
  mutating func add(_ bytes: [UInt8], to stream: SandboxStream) {
    streams[stream]?.take(bytes, log)
  }

  /// Passes on the last lines, and says where some were dropped.
  mutating func finish(_ exit: SandboxExit, _ limits: SandboxLimits) {
    for stream in [SandboxStream.stdout, .stderr] {
      streams[stream]?.lines.finish(log)
      if exit.truncated.contains(stream) {
        streams[stream]?.truncated = true
        log(LogLine(level: "warn", text: "what was written after \(limits.output) bytes is lost", stream: stream.line))
      } else if streams[stream]?.lines.hasDropped == true {
        let least = LogLineSplitter.leastCost
        let text = "later lines are not logged: \(limits.output) bytes are, and each line counts as \(least) at least"
        log(LogLine(level: "warn", text: text, stream: stream.line))
      }
    }
  }

  /// `{stdout, stderr, exit_code, duration_ms, truncated}`, and `stdout_blob` or `stderr_blob` with the raw bytes where
  /// the text is not exactly what was written.
  func json(_ exit: SandboxExit, _ blobs: BlobStore, _ user: UUID?) async throws -> JSON {
    var output: [String: JSON] = [
      "exit_code": .integer(exit.code), "duration_ms": .integer(exit.duration.milliseconds),
      "truncated": .bool(streams.values.contains { $0.truncated }),
    ]
    for (name, stream) in streams {
      let safe = SafeText(
        stream.kept.prefix(stream.truncated ? SafeText.cut(stream.kept, at: Self.limit) : stream.kept.count))
      output[name.rawValue] = .string(safe.text)
      if safe.damaged { output["\(name.rawValue)_blob"] = .string(try await blobs.put(stream.kept, for: user).sha256) }
    }
    return .object(output)
  }
}

extension SandboxStream {
  /// The same in a log line.
  fileprivate var line: LogLine.Stream { self == .stdout ? .stdout : .stderr }
}
