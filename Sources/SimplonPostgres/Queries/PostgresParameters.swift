import SimplonCore

/// The bound values of a statement.
///
/// Values of a known type travel in binary; those of type 0 (the server chooses) as text. Each is kept as its length
/// (-1 for NULL), its bytes and a zero byte: text needs that, and no value is without an address, which would mean NULL.
struct PostgresParameters: Sendable {
  private(set) var types = [UInt32]()
  private var bytes = [UInt8]()
  private var failures = [SimplonError]()  // an array, as this is copied often and an error is large

  /// What is wrong with the first value that PostgreSQL cannot hold.
  var failure: SimplonError? { failures.first }

  mutating func reserveCapacity(_ count: Int) {
    types.reserveCapacity(count)
    bytes.reserveCapacity(count * 24)
  }

  mutating func append<Value: PostgresEncodable>(_ value: Value) {
    types.append(Value.postgresType.oid)
    let start = bytes.count
    bytes.append(native: -1)
    guard !value.isPostgresNull else { return bytes.append(0) }
    do throws(SimplonError) {
      try value.encode(into: &bytes)
      let length = bytes.count - start - 4
      guard length < 1 << 30 else {
        throw SimplonError(.requestTooLarge, "parameter \(types.count) is longer than 1 GiB")
      }
      if Value.postgresType == .unspecified, bytes[(start + 4)...].contains(0) {
        throw SimplonError(.requestInvalid, "text for PostgreSQL cannot hold U+0000 (parameter \(types.count))")
      }
      withUnsafeBytes(of: Int32(length)) { bytes.replaceSubrange(start..<(start + 4), with: $0) }
      bytes.append(0)
    } catch {
      failures.append(error)
      // The place of a NULL, so that those after it are found.
      bytes.removeSubrange((start + 4)...)
      bytes.append(0)
    }
  }

  /// Hands out what libpq wants: values, lengths, formats.
  func withPointers<Result>(
    _ body: (UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?) -> Result
  ) -> Result {
    guard !types.isEmpty else { return body(nil, nil, nil) }
    return bytes.withUnsafeBytes { bytes in
      withUnsafeTemporaryAllocation(of: UnsafePointer<CChar>?.self, capacity: types.count) { values in
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: types.count * 2) { numbers in
          var offset = 0
          for index in types.indices {
            let length = bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)
            numbers.initializeElement(at: index, to: length)
            numbers.initializeElement(
              at: types.count + index, to: types[index] == PostgresType.unspecified.oid ? 0 : 1)
            let value = bytes.baseAddress?.advanced(by: offset + 4).assumingMemoryBound(to: CChar.self)
            values.initializeElement(at: index, to: length < 0 ? nil : value)
            offset += 4 + max(0, Int(length)) + 1
          }
          return body(
            values.baseAddress.map { UnsafePointer($0) }, numbers.baseAddress.map { UnsafePointer($0) },
            numbers.baseAddress.map { UnsafePointer($0 + types.count) })
        }
      }
    }
  }
}

extension [UInt8] {
  fileprivate mutating func append(native value: Int32) {
    Swift.withUnsafeBytes(of: value) { append(contentsOf: $0) }
  }
}
