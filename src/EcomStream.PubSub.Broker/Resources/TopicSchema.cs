using Google.Cloud.PubSub.V1.Schemas;

namespace EcomStream.PubSub.Broker.Resources;

/// <summary>The schema that the messages of a topic conform to.</summary>
/// <param name="Name">The full name of the schema; <see cref="ResourceNames.DeletedSchema"/> when it was deleted.</param>
/// <param name="Encoding">How messages are encoded.</param>
/// <param name="FirstRevision">The oldest revision that counts; empty for any.</param>
/// <param name="LastRevision">The newest revision that counts; empty for any.</param>
internal sealed record TopicSchema(string Name, Encoding Encoding, string FirstRevision, string LastRevision) : StoredRecord;
