import Foundation
import SimplonAgents
import SimplonCore

/// A plan from disk, with files attached as its first steps.
struct PlanFile {
  /// The plan as the server takes it.
  let json: JSON

  /// Reads a YAML or JSON plan; only the server, which may know other tools than this binary, checks it.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - attaching: text files; each becomes a step `attach-N` that writes it to the work folder under its own name, and
  ///     that every step without needs of its own needs.
  /// - Throws: `request.invalid` when a file cannot be read; `plan.invalid`, `plan.too_large`.
  init(_ path: String, attaching: [String]) throws {
    let plan = try Plan.json(reading: Self.text(of: path))
    guard !attaching.isEmpty, var members = plan.object, let steps = members["steps"]?.array else {
      json = plan
      return
    }
    let attachments: [JSON] = try attaching.enumerated().map { index, file in
      [
        "id": .string("attach-\(index + 1)"), "tool": "files",
        "with": [
          "op": "write", "path": .string(URL(filePath: file).lastPathComponent),
          "content": .string(try Self.text(of: file)),
        ],
      ]
    }
    let names = attachments.compactMap { $0["id"] }
    members["steps"] = .array(
      attachments
        + steps.map { step in
          guard var step = step.object, step["needs"]?.array?.isEmpty != false else { return step }
          step["needs"] = .array(names)
          return .object(step)
        })
    json = .object(members)
  }

  private static func text(of path: String) throws(SimplonError) -> String {
    do {
      return try String(contentsOf: URL(filePath: path), encoding: .utf8)
    } catch {
      throw SimplonError(.requestInvalid, "the file \(path) cannot be read as text", cause: error)
    }
  }
}
