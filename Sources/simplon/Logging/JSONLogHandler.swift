import FoundationEssentials
import Glibc
import Logging
import SimplonCore

/// Writes one JSON object a line to standard error: `time`, `level`, `label`, `message` and the metadata beside them.
struct JSONLogHandler: LogHandler {
  var logLevel: Logger.Level = .info
  var metadata: Logger.Metadata = [:]
  let label: String

  private static let time = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

  init(label: String, level: Logger.Level) {
    self.label = label
    logLevel = level
  }

  subscript(metadataKey key: String) -> Logger.MetadataValue? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var members: [String: JSON] = [
      "time": .string(Date().formatted(Self.time)),
      "level": .string(event.level.rawValue), "label": .string(label), "message": .string(event.message.description),
    ]
    for (key, value) in metadata.merging(event.metadata ?? [:], uniquingKeysWith: { _, new in new })
    where members[key] == nil {
      members[key] = .string(value.description)
    }
    writeLine(JSON.object(members).text)
  }
}

/// Writes lines for a person at a terminal.
struct TextLogHandler: LogHandler {
  var logLevel: Logger.Level = .info
  var metadata: Logger.Metadata = [:]

  init(level: Logger.Level) { logLevel = level }

  subscript(metadataKey key: String) -> Logger.MetadataValue? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    // A control character would let a value forge a line, or steer the terminal.
    let more = metadata.merging(event.metadata ?? [:], uniquingKeysWith: { _, new in new })
      .sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
    let time = Date().formatted(Date.ISO8601FormatStyle()).dropFirst(11).prefix(8)
    let message = Print.clean(event.message.description)
    writeLine("\(time) \(Print.padded(event.level.rawValue, to: 7)) \(message)\(Print.dim(Print.clean(more)))")
  }
}

/// One write per line, so that lines of several threads do not mix.
private func writeLine(_ text: String) { try? Print.write(text + "\n", to: 2) }

/// Makes the process's logger; a quiet one tells no more than warnings, whatever the configuration says.
///
/// - Throws: `config.invalid`.
func makeLogger(_ reader: SettingsReader, isQuiet: Bool = false) throws(SimplonError) -> Logger {
  let isDebug = try reader.flag(.debug)
  let level = Logger.Level(rawValue: try reader.required(.logLevel, reader.choice)) ?? .info
  let format = try reader.required(.logFormat, reader.choice)
  let isText = format == "text" || format == "auto" && isatty(2) == 1
  let told = isDebug ? min(level, .debug) : level
  let least = isQuiet ? max(told, .warning) : told
  return Logger(label: "simplon") { label in
    if isText { return TextLogHandler(level: least) }
    return JSONLogHandler(label: label, level: least)
  }
}
