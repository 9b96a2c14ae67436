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
  ///   - attaching: files; each becomes a step `attach-N` that writes it to the work folder under its own name, and that
  ///     every step without needs of its own needs.
  /// - Throws: `request.invalid` when a file cannot be read or attached; `plan.invalid`, `plan.too_large`.
  init(_ path: String, attaching: [String]) throws {
    guard let text = String(data: try Self.bytes(of: path), encoding: .utf8) else {
      throw SimplonError(.requestInvalid, "the file \(path) is not UTF-8")
    }
    let plan = try Plan.json(reading: text)
    guard !attaching.isEmpty, var members = plan.object, let steps = members["steps"]?.array else {
      json = plan
      return
    }
    var files = Set<String>()
    let taken = Set(steps.compactMap { $0["id"]?.string })
    let names = (1...(attaching.count + taken.count)).map { "attach-\($0)" }.filter { !taken.contains($0) }
      .prefix(attaching.count).map { JSON.string($0) }
    let attachments: [JSON] = try zip(names, attaching).map { name, path in
      let file = URL(filePath: path).lastPathComponent
      guard !file.contains("${{") else {
        throw SimplonError(.requestInvalid, "the file \(path) cannot be attached: its name would be an expression")
      }
      guard files.insert(file).inserted else {
        throw SimplonError(.requestInvalid, "two attached files have the name \(file)", hint: "rename one of them")
      }
      // Base64 holds no `${{`, which would be an expression, and any bytes.
      let content = try Self.bytes(of: path).base64EncodedString()
      return [
        "id": name, "tool": "files",
        "with": ["op": "write", "path": .string(file), "content": .string(content), "encoding": "base64"],
      ]
    }
    members["steps"] = .array(
      attachments
        + steps.map { step in
          guard var step = step.object, step["needs"]?.array?.isEmpty != false else { return step }
          step["needs"] = .array(names)
          return .object(step)
        })
    json = .object(members)
  }

  private static func bytes(of path: String) throws(SimplonError) -> Data {
    do {
      return try Data(contentsOf: URL(filePath: path))
    } catch {
      throw SimplonError(.requestInvalid, "the file \(path) cannot be read", cause: error)
    }
  }
}
