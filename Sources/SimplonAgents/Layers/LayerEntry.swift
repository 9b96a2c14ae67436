import SimplonCore

/// What a step left at one path.
package enum LayerEntry: Hashable, Sendable {
  /// A plain file; its content is a blob.
  case file(mode: Int, blob: Blob)
  /// A folder.
  case directory(mode: Int)
  /// A symbolic link with any target: nothing outside the sandbox ever follows it.
  case symlink(target: String)
  /// Something that an ancestor left there is gone.
  case deleted

  /// Whether other paths may lie below.
  var isDirectory: Bool { if case .directory = self { true } else { false } }

  func json(at path: LayerPath) -> JSON {
    var members: [String: JSON] = ["path": .string(path.text)]
    switch self {
    case .file(let mode, let blob):
      members["kind"] = "file"
      members["mode"] = .integer(mode)
      members["size"] = .integer(blob.size)
      members["sha256"] = .string(blob.sha256)
    case .directory(let mode):
      members["kind"] = "directory"
      members["mode"] = .integer(mode)
    case .symlink(let target):
      members["kind"] = "symlink"
      members["target"] = .string(target)
    case .deleted: members["kind"] = "deleted"
    }
    return .object(members)
  }

  init(_ fields: inout Fields) throws(SimplonError) {
    switch try fields.string("kind") {
    case "file":
      guard let mode = try fields.integer("mode", in: 0...0o777),
        let size = try fields.integer("size", in: 0...Int.max),
        let sha256 = try fields.string("sha256"), Blob.isHash(sha256)
      else { throw fields.wrong("kind", "lacks mode, size or sha256") }
      self = .file(mode: mode, blob: Blob(sha256: sha256, size: size))
    case "directory":
      guard let mode = try fields.integer("mode", in: 0...0o777) else { throw fields.wrong("kind", "lacks mode") }
      self = .directory(mode: mode)
    case "symlink":
      guard let target = try fields.string("target"), !target.utf8.isEmpty, !target.utf8.contains(0) else {
        throw fields.wrong("kind", "lacks target")
      }
      self = .symlink(target: target)
    case "deleted": self = .deleted
    default: throw fields.wrong("kind", "is not known")
    }
  }
}
