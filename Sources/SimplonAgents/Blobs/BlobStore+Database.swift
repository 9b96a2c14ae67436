import FoundationEssentials
import SimplonCore
package import SimplonPostgres

extension BlobStore {
  /// Binds this store to its database at the first start, and refuses another database's store ever after: files on
  /// this disk would otherwise be missed, or swept as nobody's.
  ///
  /// - Throws: `storage.mismatch`.
  package func refuseForeignDatabase(_ engine: PostgresClient) async throws {
    let bound = try await QueueStore(client: engine).settle(setting: "blob_store", to: id.uuidString.lowercased())
    guard bound == id.uuidString.lowercased() else {
      throw SimplonError(
        .storageMismatch, "the file store in \(root) is not the one this database's files are in",
        hint: "Point every server at the shared folder that the database was first used with.",
        details: ["store": .string(id.uuidString.lowercased()), "expected": .string(bound)])
    }
  }
}
