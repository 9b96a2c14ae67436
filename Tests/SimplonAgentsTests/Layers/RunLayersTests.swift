import Glibc
import SimplonCore
import Testing

@testable import SimplonAgents

struct RunLayersTests {
  @Test func `a layer is read once, and one that a step of this run left not at all`() async throws {
    let folder = try TemporaryFolder()
    let blobs = try BlobStore(root: folder.path + "/blobs")
    let plan = try Plan(
      json: [
        "steps": [["id": "a", "tool": "files", "with": ["op": "list"]], ["id": "b", "tool": "noop", "needs": ["a"]]]
      ], tools: ToolBox.catalog)
    let files = PlanProgress(plan: plan).files(before: nil)
    let layers = RunLayers(blobs: blobs, user: nil)
    var hashes = [String: String]()
    for (id, mode) in [("a", 0o755), ("b", 0o700)] {
      let manifest = LayerManifest([try LayerPath("x"): .directory(mode: mode)])
      let hash = try await blobs.put(manifest.json.utf8, for: nil).sha256
      hashes[id] = hash
      if id == "a" { layers.keep(manifest, hash: hash) }
      _ = try await layers.stack(of: files, hashes: hashes)
      unlink(try blobs.path(of: hash, for: nil))
    }
    let stack = try await layers.stack(of: files, hashes: hashes)
    // The later step's folder wins over that of the one it needs.
    #expect(try stack.view().entries == [try LayerPath("x"): .directory(mode: 0o700)])
    let other = RunLayers(blobs: blobs, user: nil)
    let error = await #expect(throws: SimplonError.self) { try await other.stack(of: files, hashes: hashes) }
    #expect(error?.code == .storageUnavailable)
  }

  @Test func `a later step's layer wins, wherever the plan has it`() async throws {
    let folder = try TemporaryFolder()
    let blobs = try BlobStore(root: folder.path + "/blobs")
    let plan = try Plan(
      json: ["steps": [["id": "late", "tool": "noop", "needs": ["early"]], ["id": "early", "tool": "noop"]]],
      tools: ToolBox.catalog)
    let files = PlanProgress(plan: plan).files(before: nil)
    let layers = RunLayers(blobs: blobs, user: nil)
    layers.keep(LayerManifest([try LayerPath("x"): .directory(mode: 0o755)]), hash: "1")
    layers.keep(LayerManifest([try LayerPath("x"): .directory(mode: 0o700)]), hash: "2")
    let stack = try await layers.stack(of: files, hashes: ["early": "1", "late": "2"])
    #expect(try stack.view().entries == [try LayerPath("x"): .directory(mode: 0o700)])
  }

  @Test func `layers that are too large for memory are read when they are needed`() async throws {
    let folder = try TemporaryFolder()
    let blobs = try BlobStore(root: folder.path + "/blobs")
    let plan = try Plan(json: ["steps": [["id": "a", "tool": "noop"]]], tools: ToolBox.catalog)
    let manifest = LayerManifest(
      Dictionary(uniqueKeysWithValues: try (0..<20_001).map { (try LayerPath("f\($0)"), .directory(mode: 0o755)) }))
    let hash = try await blobs.put(manifest.json.utf8, for: nil).sha256
    let files = PlanProgress(plan: plan).files(before: nil)
    let layers = RunLayers(blobs: blobs, user: nil)
    layers.keep(manifest, hash: hash)
    #expect(try await layers.stack(of: files, hashes: ["a": hash]).layers.first?.manifest == manifest)
    unlink(try blobs.path(of: hash, for: nil))
    await #expect(throws: SimplonError.self) { try await layers.stack(of: files, hashes: ["a": hash]) }
  }
}
