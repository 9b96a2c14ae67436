import FoundationEssentials
import SimplonCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A step's private work folder on disk, between the layers it starts with and the layer it leaves.
struct WorkFolder {
  /// The folder's absolute path; it must exist, empty, before ``build(_:)``.
  let path: String
  /// Where contents come from and go to.
  let blobs: BlobStore
  /// Whose blobs.
  let user: UUID?
  /// Who shall own everything, when we are root and the tool is somebody else.
  let owner: SandboxUser?

  /// Fills the folder.
  ///
  /// Nobody else works in the folder yet, and a view's paths have folders above them, never links; so plain paths are
  /// safe here.
  /// - Throws: `storage.full`, `storage.unavailable`.
  func build(_ view: LayerView) throws(SimplonError) {
    let sorted = view.entries.sorted { $0.key < $1.key }
    for (place, entry) in sorted {
      let target = "\(path)/\(place.text)"
      switch entry {
      case .directory:
        guard mkdir(target, 0o700) == 0 else { throw .storage("make a folder for a step") }
      case .symlink(let link):
        guard symlink(link, target) == 0 else { throw .storage("make a link for a step") }
        try give(target)
      case .file(let mode, let blob):
        let source = try File(blobs.path(of: blob.sha256, for: user), O_RDONLY, for: "read a stored file")
        let file = try File(target, O_WRONLY | O_CREAT | O_EXCL, for: "make a file for a step")
        try source.copy(to: file)
        guard try Int(file.status().st_size) == blob.size else {
          throw SimplonError(.storageDamaged, "a stored file has not the length it was stored with")
        }
        guard fchmod(file.descriptor, mode_t(mode)) == 0 else { throw .storage("make a file for a step") }
        try give(target)
      case .deleted: break
      }
    }
    // From the inside out, as a folder may be one that nobody may write to.
    for (place, entry) in sorted.reversed() {
      guard case .directory(let mode) = entry else { continue }
      guard chmod("\(path)/\(place.text)", mode_t(mode)) == 0 else { throw .storage("make a folder for a step") }
      try give("\(path)/\(place.text)")
    }
    try give(path)
  }

  private func give(_ target: String) throws(SimplonError) {
    guard let owner else { return }
    guard lchown(target, owner.uid, owner.gid) == 0 else { throw .storage("give a file to the tool's user") }
  }
}
