import Crypto
import FoundationEssentials
import SimplonCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A blob on its way in: written aside, named when its content is known.
///
/// One that is not finished leaves nothing.
struct BlobWriter: ~Copyable {
  private let store: BlobStore
  private let temporary: String
  private let file: File
  private var hash = SHA256()
  private var size = 0

  init(_ store: BlobStore) throws(SimplonError) {
    self.store = store
    temporary = "\(store.root)/\(BlobStore.incoming)/\(UUID().uuidString)"
    file = try File(temporary, O_WRONLY | O_CREAT | O_EXCL, for: "store a file")
  }

  deinit { unlink(temporary) }

  /// Adds bytes at the end.
  mutating func append(_ bytes: [UInt8]) throws(SimplonError) {
    hash.update(data: bytes)
    size += bytes.count
    try file.write(bytes)
  }

  /// Puts the blob in its place, durably, or makes the one that is there already young.
  consuming func finish(for user: UUID?) throws(SimplonError) -> Blob {
    let blob = Blob(sha256: hash.finalize().hex, size: size)
    let target = try store.path(of: blob.sha256, for: user)
    let folder = "\(store.root)/\(store.folder(of: user))"
    let (temporary, file, store) = (temporary, file.descriptor, store)
    try store.withLock(LOCK_SH) { () throws(SimplonError) in
      var info = stat()
      if lstat(target, &info) == 0, Int(info.st_size) == blob.size, utimensat(AT_FDCWD, target, nil, 0) == 0 { return }
      guard fsync(file) == 0 else { throw .storage("store a file") }
      if mkdir(folder, 0o700) == 0 { try File(store.root, O_RDONLY, for: "store a file").sync() }
      guard rename(temporary, target) == 0 else { throw .storage("store a file") }
      try File(folder, O_RDONLY, for: "store a file").sync()
    }
    return blob
  }
}
