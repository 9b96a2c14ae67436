import NIOCore
import SimplonAgents
import SimplonCore

extension StoredEvent {
  /// Appends `{"seq","at","level","kind","payload"}`, the payload exactly as stored; line breaks between its tokens
  /// become spaces, so that it fits one `data:` line.
  func writeJSON(to buffer: inout ByteBuffer) {
    buffer.writeStaticString("{\"seq\":")
    buffer.writeString(String(seq))
    buffer.writeStaticString(",\"at\":")
    buffer.writeString(JSON.string(at).text)
    buffer.writeStaticString(",\"level\":")
    buffer.writeString(JSON.string(level).text)
    buffer.writeStaticString(",\"kind\":")
    buffer.writeString(JSON.string(kind).text)
    buffer.writeStaticString(",\"payload\":")
    if payload.utf8.contains(where: { $0 == 0x0A || $0 == 0x0D }) {
      buffer.writeBytes(payload.utf8.lazy.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 })
    } else {
      buffer.writeString(payload)
    }
    buffer.writeStaticString("}")
  }

  /// Appends the event as server-sent event: `id` is `seq`, `event` is the kind.
  ///
  /// - Source: WHATWG HTML, "Server-sent events".
  func writeServerSentEvent(to buffer: inout ByteBuffer) {
    buffer.writeStaticString("id: ")
    buffer.writeString(String(seq))
    buffer.writeStaticString("\nevent: ")
    buffer.writeString(kind)
    buffer.writeStaticString("\ndata: ")
    writeJSON(to: &buffer)
    buffer.writeStaticString("\n\n")
  }
}
