package import SimplonCore

/// The layers of the steps that a step needs, and of theirs.
package struct LayerStack: Sendable {
  /// One settled step's layer.
  package struct Layer: Sendable {
    /// The step that left it.
    package let stepID: String
    /// What it left.
    package let manifest: LayerManifest
    /// Whether it needs another step, directly or through others: over that one's layer its own wins.
    package let needs: @Sendable (_ other: String) -> Bool

    /// Makes a layer.
    package init(stepID: String, manifest: LayerManifest, needs: @escaping @Sendable (_ other: String) -> Bool) {
      self.stepID = stepID
      self.manifest = manifest
      self.needs = needs
    }
  }

  /// Each after those of all steps that it needs.
  package let layers: [Layer]

  /// Makes a stack of layers, each after those of all steps that it needs.
  package init(_ layers: [Layer] = []) { self.layers = layers }

  /// What is at one path: the entry that stands there, and which layers left it, the last first.
  private struct Place {
    let entry: LayerEntry
    var writers: [Int]

    /// Adds a layer that comes before those; the result is one that it conflicts with.
    mutating func join(_ other: LayerEntry, _ index: Int, isOverridden: (_ writer: Int) -> Bool) -> Int? {
      if other == entry {
        writers.append(index)
        return nil
      }
      return writers.contains(where: isOverridden) ? nil : writers.first
    }
  }

  /// All layers joined.
  ///
  /// A path is what the step left there that no later one (one that needs it) overrides. Two that are parallel must agree:
  /// the same content twice is no conflict.
  /// - Throws: `run.artifact_conflict` with `details` `{path, steps}`; `storage.damaged` when a folder is missing.
  package func view() throws(SimplonError) -> LayerView {
    var joined = [LayerPath: Place]()
    var wrong: (path: LayerPath, one: Int, other: Int)?
    // Backwards, so that nothing that comes later can override what a path already has. Needs are followed through, so
    // a layer that agrees need not be asked whether it is overridden itself: what it overrides is, either way.
    for (index, layer) in layers.enumerated().reversed() {
      for (path, entry) in layer.manifest.entries {
        let other = joined[path, default: Place(entry: entry, writers: [])].join(entry, index) {
          layers[$0].needs(layer.stepID)
        }
        if let other, wrong.map({ path < $0.path }) ?? true { wrong = (path, other, index) }
      }
    }
    if let wrong { throw conflict(wrong.one, wrong.other, at: wrong.path) }
    try settleOrphans(&joined)
    return LayerView(joined: joined.compactMapValues { $0.entry == .deleted ? nil : $0.entry })
  }

  /// What stands in no folder, as one step removed or replaced the folder in which another one wrote: the later one's
  /// wish holds; of parallel ones neither's does.
  private func settleOrphans(_ joined: inout [LayerPath: Place]) throws(SimplonError) {
    var hasOrphans = false
    for (path, own) in joined where own.entry != .deleted {
      guard let parent = path.parent else { continue }
      guard let above = joined[parent] else {
        throw SimplonError(.storageDamaged, "the layer of step \"\(layers[own.writers[0]].stepID)\" lacks a folder")
      }
      if !above.entry.isDirectory { hasOrphans = true }
    }
    guard hasOrphans else { return }
    for path in joined.keys.sorted() {
      guard let own = joined[path], own.entry != .deleted, let parent = path.parent, let above = joined[parent],
        !above.entry.isDirectory
      else { continue }
      let (folder, child) = (layers[above.writers[0]], layers[own.writers[0]])
      if folder.needs(child.stepID) {
        joined[path] = Place(entry: .deleted, writers: above.writers)
      } else if child.needs(folder.stepID) {
        var place: LayerPath? = parent
        while let at = place, joined[at]?.entry.isDirectory != true {
          joined[at] = Place(entry: .directory(mode: 0o755), writers: own.writers)
          place = at.parent
        }
      } else {
        throw conflict(above.writers[0], own.writers[0], at: path)
      }
    }
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
