import FoundationEssentials
import SimplonCore
package import SimplonPostgres

extension BlobStore {
  /// Binds this store to its database at the first start, and refuses another database's store ever after: files on
  /// this disk would otherwise be missed, or swept as nobody's.
  ///
  /// - Throws: `storage.mismatch`.
  package func refuseForeignDatabase(_ engine: PostgresClient) async throws {
    let own = id.uuidString.lowercased()
    let rows = try await engine.query("select simplon.settle_setting('blob_store', \(own))")
    let bound = try rows.first?.decode(String.self) ?? own
    guard bound == own else {
      throw SimplonError(
        .storageMismatch, "the file store in \(root) is not the one this database's files are in",
        hint: "Point every server at the shared folder that the database was first used with.",
        details: ["store": .string(own), "expected": .string(bound)])
    }
  }
}
