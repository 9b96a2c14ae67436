import SimplonCore

extension RawSpan {
  /// The big-endian number at an offset; the bytes may hold anything.
  func integer<Value: FixedWidthInteger & BitwiseCopyable>(_: Value.Type = Value.self, at offset: Int = 0)
    throws(SimplonError) -> Value
  {
    guard offset >= 0, offset <= byteCount - MemoryLayout<Value>.size else { throw .truncated }
    // Any bits are a valid integer, and the range is checked.
    return Value(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: Value.self))
  }

  /// The one big-endian number that the bytes must be.
  func only<Value: FixedWidthInteger & BitwiseCopyable>(_: Value.Type) throws(SimplonError) -> Value {
    guard byteCount == MemoryLayout<Value>.size else { throw .truncated }
    return try integer()
  }

  /// The bytes as text.
  func utf8() throws(SimplonError) -> String {
    let text = withUnsafeBytes { String(validating: $0, as: UTF8.self) }
    guard let text else { throw SimplonError(.databaseDecoding, "a text is not UTF-8") }
    return text
  }
}

extension SimplonError {
  static var truncated: SimplonError { SimplonError(.databaseDecoding, "a value is shorter or longer than its type") }
}
