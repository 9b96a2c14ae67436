package import SimplonCore

/// The files that one step made, changed or removed, against the files it started with.
///
/// Its JSON is canonical, so equal layers have equal hashes:
/// `{"entries":[{"kind":"file","mode":420,"path":"a/b.txt","sha256":"…","size":3},…],"v":1}`, sorted by path.
package struct LayerManifest: Hashable, Sendable {
  /// By path.
  ///
  /// A folder that is made has an entry of its own.
  package var entries: [LayerPath: LayerEntry]

  /// Makes a layer; the empty one is what a step leaves that touches no file.
  package init(_ entries: [LayerPath: LayerEntry] = [:]) { self.entries = entries }

  /// The layer that puts files into a folder, over what is there.
  ///
  /// - Throws: `tool.path` where something else than a file stands in the way.
  init(putting files: [(path: LayerPath, blob: Blob)], into view: LayerView) throws(SimplonError) {
    var entries = [LayerPath: LayerEntry]()
    for (path, blob) in files {
      var above = path.parent
      while let folder = above {
        switch entries[folder] ?? view.entries[folder] {
        case nil: entries[folder] = .directory(mode: 0o755)
        case .directory: break
        default: throw SimplonError(.toolPath, "\"\(folder.text)\" is no folder")
        }
        above = folder.parent
      }
      switch view.entries[path] {
      case nil, .file: break
      default: throw SimplonError(.toolPath, "\"\(path.text)\" is there and is no plain file")
      }
      let entry = LayerEntry.file(mode: 0o644, blob: blob)
      if view.entries[path] != entry { entries[path] = entry }
    }
    self.init(entries)
  }

  /// The canonical form.
  package var json: JSON {
    ["v": 1, "entries": .array(entries.sorted { $0.key < $1.key }.map { $0.value.json(at: $0.key) })]
  }

  /// Reads the canonical form.
  ///
  /// - Throws: `storage.damaged`.
  package init(json: JSON) throws(SimplonError) {
    do {
      var fields = try Fields(json, "layer", code: .storageDamaged)
      guard try fields.integer("v", in: 1...1) != nil, let items = fields.json("entries")?.array else {
        throw SimplonError(.storageDamaged, "a layer lacks v or entries")
      }
      try fields.finish()
      entries = [:]
      for item in items {
        var fields = try Fields(item, "layer entry", code: .storageDamaged)
        let path = try LayerPath(try fields.string("path") ?? "")
        let entry = try LayerEntry(&fields)
        try fields.finish()
        guard entries.updateValue(entry, forKey: path) == nil else { throw fields.wrong("path", "stands twice") }
      }
    } catch {
      throw SimplonError(.storageDamaged, "a layer manifest cannot be read", cause: error)
    }
  }
}
