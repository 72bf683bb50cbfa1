namespace EcomStream.GoogleCloud.Tests;

public sealed class PublicTypesTests
{
    [Fact]
    public void No_type_of_the_client_leaves_the_adapter() =>
        typeof(GoogleCloudSubscription).Assembly.GetExportedTypes()
            .SelectMany(type => type.GetMethods())
            .SelectMany(method => method.GetParameters().Select(parameter => parameter.ParameterType).Append(method.ReturnType))
            .Select(type => type.Assembly.GetName().Name!)
            .ShouldNotContain(name => name.StartsWith("Google.", StringComparison.Ordinal));
}
