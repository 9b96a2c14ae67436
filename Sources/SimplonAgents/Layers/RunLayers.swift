import FoundationEssentials
import SimplonCore
import Synchronization

/// The layers that the steps of one run left, each read from the file store at most once.
final class RunLayers: Sendable {
  private struct State {
    var manifests = [String: LayerManifest]()
    var entries = 0
  }

  /// Entries that are kept in memory, about 6 MB; layers beyond that are read each time.
  private static let limit = 20_000

  private let blobs: BlobStore
  private let user: UUID?
  private let state = Mutex(State())

  init(blobs: BlobStore, user: UUID?) {
    self.blobs = blobs
    self.user = user
  }

  /// Keeps a layer that is in the file store by now.
  func keep(_ manifest: LayerManifest, hash: String) {
    state.withLock { state in
      guard state.entries + manifest.entries.count <= Self.limit, state.manifests[hash] == nil else { return }
      state.manifests[hash] = manifest
      state.entries += manifest.entries.count
    }
  }

  /// What is seen at one point of the run, by the hashes of the steps' layers; a step without one touched no file.
  ///
  /// - Throws: `storage.unavailable`, `storage.damaged`.
  func stack(of files: RunFiles, hashes: [String: String]) async throws -> LayerStack {
    var layers = [LayerStack.Layer]()
    for id in files.steps {
      guard let hash = hashes[id] else { continue }
      var manifest = state.withLock { $0.manifests[hash] }
      if manifest == nil {
        let read = try await blobs.layer(hash, for: user)
        keep(read, hash: hash)
        manifest = read
      }
      guard let manifest else { continue }
      layers.append(LayerStack.Layer(stepID: id, manifest: manifest) { files.replaces(id, $0) })
    }
    return LayerStack(layers)
  }
}
