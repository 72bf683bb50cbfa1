using EcomStream.PubSub.Broker.Resources;
using Google.Protobuf;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Calls;

/// <summary>What the methods of the services have in common: checks of names and fields, and errors as statuses.</summary>
internal static class ServiceCalls
{
    public static void Write(Action write)
    {
        try
        {
            write();
        }
        catch (IOException full)
        {
            throw CannotWrite(full);
        }
    }

    public static RpcException CannotWrite(IOException error) =>
        new(new Status(StatusCode.ResourceExhausted, $"The broker cannot write: {error.Message}"));

    /// <param name="what">Methods or fields, as the definitions name them.</param>
    public static RpcException Unimplemented(string what) =>
        new(new Status(StatusCode.Unimplemented, $"The embedded broker does not support {what} yet."));

    public static void CheckProject(string project)
    {
        if (!ResourceNames.IsProject(project))
        {
            throw Invalid($"Invalid project '{project}': it must be projects/PROJECT.");
        }
    }

    /// <param name="kind">topic, subscription or snapshot.</param>
    /// <param name="name">The full name.</param>
    /// <exception cref="RpcException">INVALID_ARGUMENT: the message names the rule that the name breaks.</exception>
    public static void CheckName(string kind, string name)
    {
        if (ResourceNames.BrokenRule(kind, name) is { } rule)
        {
            throw Invalid($"Invalid {kind} name '{name}': {rule}.");
        }
    }

    /// <summary>Rejects fields that are set and not supported, or keeps them.</summary>
    /// <param name="rest">A resource without its supported fields.</param>
    /// <param name="keep">Told of the fields that are kept; null where they are rejected.</param>
    /// <returns>The fields in base64; null when none is set.</returns>
    /// <exception cref="RpcException">UNIMPLEMENTED: the message names the fields.</exception>
    public static string? RejectOrKeep(IMessage rest, Action<string>? keep)
    {
        if (rest.CalculateSize() == 0)
        {
            return null;
        }

        var names = string.Join(", ", UnsupportedFields.SetIn(rest));
        if (keep is null)
        {
            throw Unimplemented(names);
        }

        keep(names);
        return rest.ToByteString().ToBase64();
    }

    public static RpcException Invalid(string message) => new(new Status(StatusCode.InvalidArgument, message));
}
