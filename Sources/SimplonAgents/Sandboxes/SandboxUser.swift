/// Who a tool is, to the machine, when our own process is root's.
package struct SandboxUser: Sendable, Hashable {
  /// User id, never 0.
  package let uid: UInt32
  /// Group id, never 0.
  package let gid: UInt32

  /// Makes one.
  package init(uid: UInt32, gid: UInt32) {
    self.uid = uid
    self.gid = gid
  }

  /// `nobody`, who owns nothing.
  package static let nobody = SandboxUser(uid: 65534, gid: 65534)
}
