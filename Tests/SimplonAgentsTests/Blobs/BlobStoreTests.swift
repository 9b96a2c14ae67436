import FoundationEssentials
import Glibc
import SimplonCore
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1))) struct BlobStoreTests {
  let folder: TemporaryFolder
  let store: BlobStore
  /// SHA-256 of `hello`. - Source: sha256sum
  let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

  init() throws {
    folder = try TemporaryFolder()
    store = try BlobStore(root: folder.path + "/deep/blobs")
  }

  private func age(_ path: String, seconds: Int) {
    var times = [timespec(tv_sec: time(nil) - seconds, tv_nsec: 0), timespec(tv_sec: time(nil) - seconds, tv_nsec: 0)]
    utimensat(AT_FDCWD, path, &times, 0)
  }

  @Test func `what is stored is found by its hash, under its owner alone`() async throws {
    let user = try #require(UUID(uuidString: "00000000-0000-4000-8000-0000000000AB"))
    let blob = try await store.put(Array("hello".utf8), for: user)
    #expect(blob == Blob(sha256: hello, size: 5))
    #expect(try store.path(of: hello, for: user) == "\(store.root)/00000000-0000-4000-8000-0000000000ab/\(hello)")
    #expect(store.exists(hello, for: user))
    #expect(!store.exists(hello, for: nil))
    #expect(try await store.read(hello, for: user, limit: 5) == Array("hello".utf8))
    #expect(try await store.put(Array("hello".utf8), for: nil) == blob)
    #expect(store.exists(hello, for: nil))
    #expect(try File(store.root + "/.incoming", O_RDONLY, for: "look").names().isEmpty)
  }

  @Test(arguments: [
    "", "..", "../../etc/passwd", "2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824", "abc",
  ])
  func `only a hash becomes a path`(_ name: String) async throws {
    #expect(throws: SimplonError.self) { try store.path(of: name, for: nil) }
    #expect(!store.exists(name, for: nil))
  }

  @Test func `the folder keeps its id`() throws {
    #expect(try BlobStore(root: store.root).id == store.id)
    #expect(try BlobStore(root: folder.path + "/other").id != store.id)
    try File(store.root + "/.simplon-blobs-id", O_WRONLY | O_TRUNC, for: "test").write(Array("nonsense".utf8))
    let error = #expect(throws: SimplonError.self) { try BlobStore(root: store.root) }
    #expect(error?.code == .storageDamaged)
  }

  @Test func `many at once make one blob and one id`() async throws {
    let root = folder.path + "/busy"
    let ids = try await withThrowingTaskGroup(of: UUID.self) { group in
      for _ in 0..<20 {
        group.addTask {
          let store = try BlobStore(root: root)
          _ = try await store.put(Array("hello".utf8), for: nil)
          return store.id
        }
      }
      return try await group.reduce(into: Set<UUID>()) { $0.insert($1) }
    }
    #expect(ids.count == 1)
    #expect(try File(root + "/shared", O_RDONLY, for: "look").names().compactMap(\.text) == [hello])
  }

  @Test func `a damaged blob is not given out`() async throws {
    let blob = try await store.put(Array("hello".utf8), for: nil)
    try File(store.path(of: blob.sha256, for: nil), O_WRONLY, for: "test").write(Array("jello".utf8))
    let error = await #expect(throws: SimplonError.self) { try await store.read(hello, for: nil, limit: 10) }
    #expect(error?.code == .storageDamaged)
    let long = await #expect(throws: SimplonError.self) { try await store.read(hello, for: nil, limit: 4) }
    #expect(long?.code == .storageUnavailable)
  }

  @Test func `a cut blob is replaced when it is stored again`() async throws {
    _ = try await store.put(Array("hello".utf8), for: nil)
    truncate(try store.path(of: hello, for: nil), 2)
    _ = try await store.put(Array("hello".utf8), for: nil)
    #expect(try await store.read(hello, for: nil, limit: 10) == Array("hello".utf8))
  }

  @Test func `the sweeper takes what is old and spared by nobody`() async throws {
    let user = UUID()
    var paths = [String: String]()
    for text in ["old", "old and spared", "young", "stored again"] {
      let blob = try await store.put(Array(text.utf8), for: user)
      paths[text] = try store.path(of: blob.sha256, for: user)
      if text != "young" { age(try #require(paths[text]), seconds: 7200) }
    }
    _ = try await store.put(Array("stored again".utf8), for: user)
    let abandoned = store.root + "/.incoming/abandoned"
    try File(abandoned, O_WRONLY | O_CREAT, for: "test").write([1])
    age(abandoned, seconds: 7200)
    let spared = String(try #require(paths["old and spared"]?.split(separator: "/").last))
    let removed = try await store.sweep(olderThan: .seconds(3600)) { owner in
      #expect(owner == user)
      return [spared]
    }
    #expect(removed == 1)
    #expect(paths.filter { access($0.value, F_OK) == 0 }.keys.sorted() == ["old and spared", "stored again", "young"])
    #expect(access(abandoned, F_OK) != 0)
    #expect(try BlobStore(root: store.root).id == store.id)
  }

  @Test func `the sweeper leaves alone what it knows nothing about`() async throws {
    let user = UUID()
    let blob = try await store.put(Array("hello".utf8), for: user)
    let path = try store.path(of: blob.sha256, for: user)
    age(path, seconds: 7200)
    let foreign = store.root + "/lost+found"
    mkdir(foreign, 0o700)
    try File("\(foreign)/\(hello)", O_WRONLY | O_CREAT, for: "test").write([1])
    age("\(foreign)/\(hello)", seconds: 7200)
    #expect(try await store.sweep(olderThan: .seconds(3600)) { _ in nil } == 0)
    #expect(access(path, F_OK) == 0)
    #expect(try await store.sweep(olderThan: .seconds(3600)) { _ in [] } == 1)
    #expect(access("\(foreign)/\(hello)", F_OK) == 0)
  }

  @Test func `a folder that cannot be read to its end is an error`() throws {
    var child = pid_t()
    var words = [strdup("sleep"), strdup("60"), nil]
    defer { for word in words { free(word) } }
    try #require(posix_spawn(&child, "/bin/sleep", nil, nil, &words, nil) == 0)
    let folder = try File("/proc/\(child)/fd", O_RDONLY | O_DIRECTORY, for: "look")
    kill(child, SIGKILL)
    waitpid(child, nil, 0)
    #expect(throws: SimplonError.self) { try folder.names() }
  }

  @Test func `what becomes young while the sweeper thinks stays`() async throws {
    let blob = try await store.put(Array("hello".utf8), for: nil)
    age(try store.path(of: blob.sha256, for: nil), seconds: 7200)
    let removed = try await store.sweep(olderThan: .seconds(3600)) { [store] _ in
      _ = try await store.put(Array("hello".utf8), for: nil)
      return []
    }
    #expect(removed == 0)
    #expect(store.exists(hello, for: nil))
  }

  @Test(.enabled(if: geteuid() == 0, "needs root to mount a small disk"))
  func `a full disk has its own code and leaves nothing`() async throws {
    let full = folder.path + "/full"
    mkdir(full, 0o700)
    try #require(mount("tmpfs", full, "tmpfs", 0, "size=256k") == 0)
    defer { umount2(full, Int32(MNT_DETACH)) }
    let store = try BlobStore(root: full + "/blobs")
    let error = await #expect(throws: SimplonError.self) {
      try await store.put(Array(repeating: 7, count: 1 << 20), for: nil)
    }
    #expect(error?.code == .storageFull)
    #expect(try File(store.root + "/.incoming", O_RDONLY, for: "look").names().isEmpty)
    _ = try await store.put(Array("hello".utf8), for: nil)
  }
}
