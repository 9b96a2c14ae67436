package import SimplonCore

/// The layers of the steps that a step needs, and of theirs.
package struct LayerStack: Sendable {
  /// One settled step's layer.
  package struct Layer: Sendable {
    /// The step that left it.
    package let stepID: String
    /// What it left.
    package let manifest: LayerManifest
    /// Whether it needs another step, directly or not: over that one's layer its own wins.
    package let needs: @Sendable (_ other: String) -> Bool

    /// Makes a layer.
    package init(stepID: String, manifest: LayerManifest, needs: @escaping @Sendable (_ other: String) -> Bool) {
      self.stepID = stepID
      self.manifest = manifest
      self.needs = needs
    }
  }

  /// In any order.
  package let layers: [Layer]

  /// Makes a stack.
  package init(_ layers: [Layer] = []) { self.layers = layers }

  /// All layers joined.
  ///
  /// A path is what the step left there that no later one (one that needs it) overrides. Two that are parallel must agree:
  /// the same content twice is no conflict.
  /// - Throws: `run.artifact_conflict` with `details` `{path, steps}`; `storage.damaged` when a folder is missing.
  package func view() throws(SimplonError) -> LayerView {
    var writers = [LayerPath: [Int]]()
    for (index, layer) in layers.enumerated() {
      for path in layer.manifest.entries.keys { writers[path, default: []].append(index) }
    }
    var joined = [LayerPath: (entry: LayerEntry, writer: Int)]()
    for path in writers.keys.sorted() {
      let writing = writers[path] ?? []
      let last = writing.filter { one in
        !writing.contains { layers[$0].needs(layers[one].stepID) }
      }
      guard let first = last.first, let entry = layers[first].manifest.entries[path] else { continue }
      for other in last where layers[other].manifest.entries[path] != entry { throw conflict(first, other, at: path) }
      joined[path] = (entry, first)
    }
    for (path, own) in joined where own.entry != .deleted {
      guard let parent = path.parent else { continue }
      guard let above = joined[parent] else {
        throw SimplonError(.storageDamaged, "the layer of step \"\(layers[own.writer].stepID)\" lacks a folder")
      }
      // One step removed or replaced the folder in which the other one wrote.
      guard above.entry.isDirectory else { throw conflict(above.writer, own.writer, at: path) }
    }
    return LayerView(joined: joined.compactMapValues { $0.entry == .deleted ? nil : $0.entry })
  }

  private func conflict(_ one: Int, _ other: Int, at path: LayerPath) -> SimplonError {
    let steps = [layers[one].stepID, layers[other].stepID].sorted()
    return SimplonError(
      .runArtifactConflict,
      "the parallel steps \(steps.map { "\"\($0)\"" }.joined(separator: " and ")) left \"\(path.text.prefix(256))\" differently",
      hint: "let one of them need the other, or write to different paths",
      details: ["path": .string(path.text), "steps": .array(steps.map { .string($0) })])
  }
}
