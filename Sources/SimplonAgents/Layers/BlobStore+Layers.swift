package import FoundationEssentials
import SimplonCore

extension BlobStore {
  /// The layer that a step left, by the hash that was stored with the step.
  ///
  /// - Throws: `storage.unavailable` when it is missing, `storage.damaged`.
  package func layer(_ hash: String, for user: UUID?) async throws -> LayerManifest {
    try LayerManifest(json: JSON(parsing: try await read(hash, for: user, limit: 64 << 20)))
  }

  /// The hashes of these layers and of every file in them.
  ///
  /// - Throws: `storage.unavailable`, `storage.damaged`: without a layer nobody knows what it needs.
  func contents(of layers: [String], for user: UUID?) async throws -> Set<String> {
    var hashes = Set(layers)
    for hash in layers where exists(hash, for: user) {
      for case .file(_, let blob) in try await layer(hash, for: user).entries.values { hashes.insert(blob.sha256) }
    }
    return hashes
  }
}
