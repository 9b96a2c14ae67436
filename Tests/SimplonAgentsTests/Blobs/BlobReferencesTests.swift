import FoundationEssentials
import Glibc
import SimplonCore
import SimplonIdentity
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(2))) struct BlobReferencesTests {
  private func age(_ blob: String, of user: UUID?, in blobs: BlobStore) throws {
    let old = timespec(tv_sec: time(nil) - 100_000, tv_nsec: 0)
    var times = [old, old]
    utimensat(AT_FDCWD, try blobs.path(of: blob, for: user), &times, 0)
  }

  @Test func `one user's damaged layer or odd output keeps nobody else's garbage`() async throws {
    try await Engine.with { engine in
      let blobs = engine.tools.blobs
      let references = BlobReferences(client: engine.client)
      let alice = Engine.alice.subject
      let odd = try await engine.create([
        ["id": "a", "tool": "noop", "with": ["stdout_blob": nil, "stderr_blob": 7, "body_blob": "kept"]],
        ["id": "b", "tool": "files", "with": ["op": "write", "path": "x", "content": "kept"]],
      ])
      let other = try await engine.create(
        [["id": "a", "tool": "files", "with": ["op": "write", "path": "y", "content": "bob's"]]], as: Engine.bob)
      try await engine.withWorker {
        for run in [odd, other] { _ = try await engine.follow(run) }
      }
      let (layers, files) = try await references.hashes(of: alice)
      #expect(layers.count == 1 && files == ["kept"])
      let layer = try #require(layers.first)
      let kept = try #require(try await blobs.contents(of: layers, for: alice).subtracting(layers).first)

      let users = [alice, Engine.bob.subject, nil]
      let garbage = try await blobs.put(Array("garbage".utf8), for: alice).sha256
      for user in users {
        #expect(try await blobs.put(Array("garbage".utf8), for: user).sha256 == garbage)
        try age(garbage, of: user, in: blobs)
      }
      try age(kept, of: alice, in: blobs)
      let path = try blobs.path(of: layer, for: alice)
      truncate(path, 3)
      #expect(try await references.sweep(blobs, olderThan: .seconds(86_400), logger: engine.logger) == 2)
      #expect(users.map { blobs.exists(garbage, for: $0) } == [true, false, false])

      unlink(path)
      _ = try await engine.database.execute("update agent_steps set layer = null where layer = '\(layer)'")
      #expect(try await references.sweep(blobs, olderThan: .seconds(86_400), logger: engine.logger) == 2)
      #expect(!blobs.exists(garbage, for: alice) && !blobs.exists(kept, for: alice))
    }
  }

  @Test func `a database takes no other store than the one that it was first used with`() async throws {
    try await Engine.with { engine in
      let first = engine.tools.blobs
      for store in [first, try BlobStore(root: first.root)] { try await store.refuseForeignDatabase(engine.client) }
      let other = try BlobStore(root: first.root + "-other")
      let error = await #expect(throws: SimplonError.self) { try await other.refuseForeignDatabase(engine.client) }
      #expect(error?.code == .storageMismatch)
      try await first.refuseForeignDatabase(engine.client)
    }
  }
}
