import FoundationEssentials
import SimplonCore

/// `files`: reads and changes the work folder with no program.
///
/// It works on the joined layers alone. No folder is built and no path is ever given to the system, so there is no link
/// to follow; a link is seen as a link.
struct FilesTool: Sendable {
  static let declaration = ToolDeclaration(
    name: "files", summary: "Writes, reads, lists, removes or describes files of the work folder.",
    inputSchema: [
      "type": "object", "additionalProperties": false, "required": ["op"],
      "properties": [
        "op": ["type": "string", "enum": ["write", "read", "list", "remove", "stat"]],
        "path": ["type": "string", "description": "relative to the work folder; for list the top when left out"],
        "content": ["type": "string", "description": "for write"],
        "encoding": ["type": "string", "enum": ["utf8", "base64"], "description": "of content; utf8 when left out"],
      ],
    ],
    effect: .pure, timeout: .seconds(60), maximumTimeout: .seconds(86_400))

  /// Bytes that one read gives.
  static let readLimit = 1 << 20
  /// Entries that one list gives.
  static let listLimit = 1000

  let blobs: BlobStore

  /// Does one operation.
  ///
  /// - Throws: `tool.path`, `tool.input`, `tool.limit`, `run.artifact_conflict`, `storage.*`.
  func run(_ call: ToolCall) async throws -> ToolResult {
    let view = try call.layers.view()
    let isBase64 = call.input["encoding"]?.string == "base64"
    let op = call.input["op"]?.string ?? ""
    if op == "list" {
      let folder = try call.input["path"]?.string.map { text throws(SimplonError) in try LayerPath(text) }
      return try list(folder, view)
    }
    guard let text = call.input["path"]?.string else { throw SimplonError(.toolInput, "\"path\" is missing") }
    let path = try LayerPath(text)
    switch op {
    case "write":
      guard let content = call.input["content"]?.string else {
        throw SimplonError(.toolInput, "\"content\" is missing")
      }
      guard let bytes = isBase64 ? Data(base64Encoded: content).map(Array.init) : Array(content.utf8) else {
        throw SimplonError(.toolInput, "\"content\" is not base64")
      }
      return try await write(bytes, to: path, view, call.userID)
    case "read": return try await read(path, view, isBase64, call.userID)
    case "remove": return try await remove(path, view, call.userID)
    default:
      var output = view.entries[path]?.described ?? [:]
      output["path"] = .string(path.text)
      output["exists"] = .bool(view.entries[path] != nil)
      return ToolResult(output: .object(output))
    }
  }

  private func write(_ bytes: [UInt8], to path: LayerPath, _ view: LayerView, _ user: UUID?) async throws -> ToolResult
  {
    let blob = try await blobs.put(bytes, for: user)
    return try await keep(
      LayerManifest(putting: [(path, blob)], into: view),
      ["path": .string(path.text), "size": .integer(blob.size), "sha256": .string(blob.sha256)], user)
  }

  private func read(_ path: LayerPath, _ view: LayerView, _ isBase64: Bool, _ user: UUID?) async throws -> ToolResult {
    guard case .file(_, let blob)? = view.entries[path] else {
      throw SimplonError(.toolPath, "there is no plain file \"\(path.text)\"")
    }
    guard blob.size <= Self.readLimit else {
      throw SimplonError(
        .toolLimit, "\"\(path.text)\" is longer than \(Self.readLimit) bytes", hint: "read it with python")
    }
    let bytes = try await blobs.read(blob.sha256, for: user, limit: Self.readLimit)
    let safe = isBase64 ? nil : SafeText(bytes)
    guard safe?.damaged != true else {
      throw SimplonError(.toolInput, "\"\(path.text)\" is no text", hint: "read it with `encoding: base64`")
    }
    return ToolResult(
      output: [
        "path": .string(path.text), "size": .integer(blob.size), "sha256": .string(blob.sha256),
        "encoding": isBase64 ? "base64" : "utf8",
        "content": .string(safe?.text ?? Data(bytes).base64EncodedString()),
      ])
  }

  private func list(_ folder: LayerPath?, _ view: LayerView) throws(SimplonError) -> ToolResult {
    if let folder, view.entries[folder]?.isDirectory != true {
      throw SimplonError(.toolPath, "there is no folder \"\(folder.text)\"")
    }
    let paths = view.entries.keys.filter { path in folder.map { path.isBelow($0) } ?? true }.sorted()
    let items = paths.prefix(Self.listLimit).map { path in
      var item = view.entries[path]?.described ?? [:]
      item["path"] = .string(path.text)
      return JSON.object(item)
    }
    return ToolResult(output: ["entries": .array(items), "truncated": .bool(paths.count > Self.listLimit)])
  }

  private func remove(_ path: LayerPath, _ view: LayerView, _ user: UUID?) async throws -> ToolResult {
    let gone = view.entries.keys.filter { $0 == path || $0.isBelow(path) }
    guard !gone.isEmpty else { throw SimplonError(.toolPath, "there is nothing at \"\(path.text)\"") }
    return try await keep(
      LayerManifest(Dictionary(uniqueKeysWithValues: gone.map { ($0, .deleted) })),
      ["path": .string(path.text), "removed": .integer(gone.count)], user)
  }

  private func keep(_ layer: LayerManifest, _ output: JSON, _ user: UUID?) async throws -> ToolResult {
    guard !layer.entries.isEmpty else { return ToolResult(output: output) }
    return ToolResult(output: output, layer: layer, layerHash: try await blobs.put(layer.json.utf8, for: user).sha256)
  }
}

extension LayerEntry {
  /// For a caller: kind, and size and hash of a file or target of a link.
  fileprivate var described: [String: JSON] {
    switch self {
    case .file(let mode, let blob):
      ["kind": "file", "mode": .integer(mode), "size": .integer(blob.size), "sha256": .string(blob.sha256)]
    case .directory(let mode): ["kind": "directory", "mode": .integer(mode)]
    case .symlink(let target): ["kind": "symlink", "target": .string(target)]
    case .deleted: [:]
    }
  }
}
