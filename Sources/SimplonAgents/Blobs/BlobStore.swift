import Crypto
package import FoundationEssentials
package import SimplonCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Files by content, in a folder: `{user id}/{sha256}`, or `shared/{sha256}` for what belongs to nobody.
///
/// A blob is there whole or not at all, also after a power failure, and never changes. Storing one again is harmless and
/// makes it young, which keeps it from ``sweep(olderThan:used:)``. The folder may be on a volume that several hosts
/// share; ``id`` tells whether two of them see the same one.
package struct BlobStore: Sendable {
  /// The folder.
  package let root: String
  /// Made with the folder and kept in it (`.simplon-blobs-id`).
  package let id: UUID

  static let incoming = ".incoming"
  private static let lockFile = ".lock"
  private static let idFile = ".simplon-blobs-id"

  /// Opens the folder, making it (0700) where it is missing.
  ///
  /// - Throws: `storage.unavailable`, `storage.full`.
  package init(root: String) throws(SimplonError) {
    self.root = root
    try File.makeFolders(root + "/" + Self.incoming, mode: 0o700, for: "make the file store's folder")
    _ = try File(root + "/" + Self.lockFile, O_RDWR | O_CREAT, for: "open the file store")
    id = try Self.readID(root)
  }

  /// Stores bytes as a user's, or with no user as shared ones.
  ///
  /// - Throws: `storage.full`, `storage.unavailable`.
  package func put(_ bytes: [UInt8], for user: UUID?) async throws -> Blob {
    try await offPool { try store(bytes, for: user) }
  }

  /// The file that holds a blob, whether or not it is there.
  ///
  /// - Throws: `storage.unavailable` when the hash is none, so that no path ever leaves the folder.
  package func path(of sha256: String, for user: UUID?) throws(SimplonError) -> String {
    guard Blob.isHash(sha256) else { throw SimplonError(.storageUnavailable, "a stored file's name is no SHA-256") }
    return "\(root)/\(folder(of: user))/\(sha256)"
  }

  /// Whether a blob is there.
  package func exists(_ sha256: String, for user: UUID?) -> Bool {
    guard let path = try? path(of: sha256, for: user) else { return false }
    return access(path, R_OK) == 0
  }

  /// A blob's content; one longer than `limit` bytes is refused.
  ///
  /// - Throws: `storage.unavailable` when it is missing or longer; `storage.damaged` when it is not what its name says.
  package func read(_ sha256: String, for user: UUID?, limit: Int) async throws -> [UInt8] {
    try await offPool { try load(sha256, for: user, limit: limit) }
  }

  // MARK: - On the calling thread

  func store(_ bytes: [UInt8], for user: UUID?) throws(SimplonError) -> Blob {
    var writer = try BlobWriter(self)
    try writer.append(bytes)
    return try writer.finish(for: user)
  }

  /// Stores the rest of an open file.
  func store(_ file: borrowing File, for user: UUID?) throws(SimplonError) -> Blob {
    var writer = try BlobWriter(self)
    while true {
      let bytes = try file.read()
      if bytes.isEmpty { return try writer.finish(for: user) }
      try writer.append(bytes)
    }
  }

  func load(_ sha256: String, for user: UUID?, limit: Int) throws(SimplonError) -> [UInt8] {
    let file = try File(path(of: sha256, for: user), O_RDONLY, for: "read a stored file")
    guard try file.status().st_size <= limit else {
      throw SimplonError(.storageUnavailable, "a stored file is longer than \(limit) bytes")
    }
    var bytes = [UInt8]()
    while true {
      let more = try file.read()
      if more.isEmpty { break }
      bytes += more
    }
    guard SHA256.hash(data: bytes).hex == sha256 else {
      throw SimplonError(.storageDamaged, "a stored file is not what its name says")
    }
    return bytes
  }

  /// Removes one blob unless it became young again meanwhile.
  func remove(_ name: String, notTouchedSince time: Int) throws(SimplonError) -> Bool {
    try withLock(LOCK_EX) {
      var info = stat()
      let path = "\(root)/\(name)"
      return lstat(path, &info) == 0 && info.st_mtim.tv_sec < time && unlink(path) == 0
    }
  }

  /// Does something while holding the store's lock: shared (`LOCK_SH`) by writers, alone (`LOCK_EX`) by the sweeper.
  ///
  /// So what a writer finds there cannot go before it is young again.
  func withLock<Value>(_ kind: CInt, _ body: () throws(SimplonError) -> Value) throws(SimplonError) -> Value {
    let file = try File(root + "/" + Self.lockFile, O_RDWR, for: "lock the file store")
    while flock(file.descriptor, kind) != 0 {
      guard errno == EINTR else { throw .storage("lock the file store") }
    }
    let value = try body()
    flock(file.descriptor, LOCK_UN)
    return value
  }

  func folder(of user: UUID?) -> String { user?.uuidString.lowercased() ?? "shared" }

  /// Linking is the one step that makes the id: of two starters one wins, and nobody reads half an id.
  private static func readID(_ root: String) throws(SimplonError) -> UUID {
    let path = root + "/" + idFile
    let id = UUID()
    let temporary = "\(root)/\(incoming)/\(id.uuidString)"
    if access(path, F_OK) != 0 {
      let file = try File(temporary, O_WRONLY | O_CREAT | O_EXCL, for: "make the file store's id")
      defer { unlink(temporary) }
      try file.write(Array((id.uuidString.lowercased() + "\n").utf8))
      try file.sync()
      guard link(temporary, path) == 0 || errno == EEXIST else { throw .storage("make the file store's id") }
      try File(root, O_RDONLY, for: "make the file store's id").sync()
    }
    let text = String(decoding: try File(path, O_RDONLY, for: "read the file store's id").read(upTo: 64), as: UTF8.self)
    guard let found = UUID(uuidString: String(text.prefix(36))) else {
      throw SimplonError(.storageDamaged, "the file store's id (\(idFile)) is no UUID")
    }
    return found
  }
}
