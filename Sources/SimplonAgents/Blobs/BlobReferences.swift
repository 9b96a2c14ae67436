import FoundationEssentials
import Logging
import SimplonCore
import SimplonPostgres

/// What rows refer to in the file store; read as `service_role`.
struct BlobReferences: Sendable {
  let client: PostgresClient

  /// Removes what no row refers to; gives how many files that were.
  ///
  /// Where a layer cannot be read, nobody knows what it needs: all of its owner's files are kept then, and the others'
  /// are swept all the same.
  func sweep(_ blobs: BlobStore, olderThan age: Duration, logger: Logger) async throws -> Int {
    try await blobs.sweep(olderThan: age) { user in
      let (layers, files) = try await hashes(of: user)
      do {
        return try await blobs.contents(of: layers, for: user).union(files)
      } catch let error as SimplonError {
        logger.error(
          "files of a user are not swept", metadata: ["user": "\(blobs.folder(of: user))", "error": "\(error)"])
        return nil
      }
    }
  }

  /// The hashes in a user's rows, or with none in nobody's: of layers, and of files by themselves.
  func hashes(of user: UUID?) async throws -> (layers: [String], files: [String]) {
    // Two texts, as no index serves both: `is not distinct from` uses none.
    let query: PostgresQuery
    if let user {
      query = """
        select true, layer from agent_steps where user_id = \(user) and layer is not null
        union select true, l.value from execution_snapshots, jsonb_each_text(layers) l where user_id = \(user)
        union select false, sha256 from agent_artifacts where user_id = \(user)
        union select false, output ->> name
        from agent_steps, unnest(array['stdout_blob', 'stderr_blob', 'body_blob']) as name
        where user_id = \(user) and jsonb_typeof(output -> name) = 'string'
        """
    } else {
      query = """
        select true, layer from agent_steps where user_id is null and layer is not null
        union select true, l.value from execution_snapshots, jsonb_each_text(layers) l where user_id is null
        union select false, sha256 from agent_artifacts where user_id is null
        union select false, output ->> name
        from agent_steps, unnest(array['stdout_blob', 'stderr_blob', 'body_blob']) as name
        where user_id is null and jsonb_typeof(output -> name) = 'string'
        """
    }
    let rows = try await client.query(query)
    var found = (layers: [String](), files: [String]())
    for row in rows {
      let (isLayer, hash) = try row.decode(Bool.self, String.self)
      if isLayer { found.layers.append(hash) } else { found.files.append(hash) }
    }
    return found
  }
}
