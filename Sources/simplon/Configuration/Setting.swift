import SimplonCore

/// One configuration key: how it is named, what it may be, and what it does.
///
/// What is not declared cannot be read.
struct Setting: Sendable {
  /// What a value may be.
  enum Kind: Sendable {
    case text
    case flag
    case integer(ClosedRange<Int>)
    case duration(ClosedRange<Duration>)
    /// Seconds without a unit, as the names from elsewhere have them.
    case seconds(ClosedRange<Int>)
    case choice([String])
    /// Separated by commas.
    case list
    /// Origins of web pages, or `*`.
    case origins
    /// An address http://… or https://….
    case url
    /// A connection string or URI of libpq.
    case database
    /// The name of a schema.
    case schema
    /// US dollars.
    case amount

    /// Whether a file may have it as a list.
    var isList: Bool {
      switch self {
      case .list, .origins: true
      default: false
      }
    }
  }

  /// The name in the environment; in `simplon.yaml` it is written in lower case.
  let name: String
  let kind: Kind
  /// What holds when it is not set; nil: nothing.
  var fallback: String?
  /// Never printed.
  var isSecret = false
  /// What it does, for the manual.
  let summary: String

  /// The range in words.
  var range: String {
    switch kind {
    case .text: "text"
    case .flag: "true or false"
    case .integer(let range): "integer, \(range.lowerBound) to \(range.upperBound)"
    case .duration(let range): "time, \(range.lowerBound.short) to \(range.upperBound.short)"
    case .seconds(let range): "seconds, \(range.lowerBound) to \(range.upperBound)"
    case .choice(let words): words.joined(separator: ", ")
    case .list: "list, separated by commas"
    case .origins: "`*`, or origins without a path, separated by commas"
    case .url: "http://… or https://…, with a host"
    case .database: "a URI postgresql://… or words such as host=… dbname=…"
    case .schema: "lower-case letters, digits and underscores, at most 63"
    case .amount: "US dollars such as 2.50"
    }
  }
}
