import SimplonCore

/// Writes an object's members in the order in which they are added.
///
/// ``JSON`` would sort them; the body of a request begins with what never changes and ends with the transcript, so that
/// the body for a longer transcript begins with the one before.
struct OrderedBody {
  private var out: [UInt8] = [UInt8(ascii: "{")]

  /// Adds a member, which must not be there yet.
  mutating func add(_ name: String, _ value: JSON) {
    if out.count > 1 { out.append(UInt8(ascii: ",")) }
    JSON.string(name).write(to: &out)
    out.append(UInt8(ascii: ":"))
    value.write(to: &out)
  }

  /// Ends the object.
  ///
  /// - Returns: its UTF-8.
  mutating func close() -> [UInt8] {
    out.append(UInt8(ascii: "}"))
    return out
  }
}
