package import FoundationEssentials
import SimplonCore

extension BlobStore {
  /// The layer that a step left, by the hash that was stored with the step.
  ///
  /// - Throws: `storage.unavailable` when it is missing, `storage.damaged`.
  package func layer(_ hash: String, for user: UUID?) async throws -> LayerManifest {
    try LayerManifest(json: JSON(parsing: try await read(hash, for: user, limit: 64 << 20)))
  }
}
