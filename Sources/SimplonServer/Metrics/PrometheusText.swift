import Synchronization

/// The Prometheus text format, version 0.0.4.
///
/// - Source: prometheus.io, "Exposition formats", "Text-based format".
enum PrometheusText {
  /// A metric's name out of a label such as `http.requests`, with the ending that its kind wants.
  static func name(_ label: String, ending: String) -> String {
    let name = word(label)
    return name.hasSuffix(ending) ? name : name + ending
  }

  /// Labels as they stand between the braces, sorted by name.
  static func labels(_ dimensions: [(String, String)]) -> String {
    dimensions.sorted { $0.0 < $1.0 }.map { "\(word($0.0))=\"\(escape($0.1, quotes: true))\"" }.joined(separator: ",")
  }

  /// Adds a label.
  static func join(_ labels: String, _ label: String) -> String { labels.isEmpty ? label : "\(labels),\(label)" }

  /// One sample.
  static func line(_ name: String, _ labels: String, _ value: Double) -> String {
    labels.isEmpty ? "\(name) \(number(value))\n" : "\(name){\(labels)} \(number(value))\n"
  }

  /// A number; whole ones without a fraction.
  static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return Int64(exactly: value).map { String($0) } ?? String(value)
  }

  /// A text with backslashes, line breaks and, in a label, quotes escaped.
  static func escape(_ text: String, quotes: Bool) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\"" where quotes: out += "\\\""
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }

  private static func word(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      let isGood = ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar)
      out.unicodeScalars.append(isGood ? scalar : "_")
    }
    return out.unicodeScalars.first.map { ("0"..."9").contains($0) } ?? true ? "_" + out : out
  }
}

extension PrometheusRegistry {
  /// Everything counted so far.
  package var text: String {
    state.withLock { state in
      var text = ""
      for (name, family) in state.families.sorted(by: { $0.key < $1.key }) where !family.series.isEmpty {
        let help = state.help[name] ?? name.split(separator: "_").joined(separator: " ").capitalizedFirst + "."
        text += "# HELP \(name) \(PrometheusText.escape(help, quotes: false))\n# TYPE \(name) \(family.kind.rawValue)\n"
        for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
          series.write(name: name, labels: labels, to: &text)
        }
      }
      return text
    }
  }
}

extension String {
  fileprivate var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
