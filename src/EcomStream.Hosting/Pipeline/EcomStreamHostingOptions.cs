using EcomStream.Actors;

namespace EcomStream.Hosting;

/// <summary>How a host runs its pipeline.</summary>
public sealed class EcomStreamHostingOptions
{
    /// <summary>What happens to the host when the pipeline fails; <see cref="PipelineFailureAction.StopHost"/> by default.</summary>
    public PipelineFailureAction OnFailure { get; set; } = PipelineFailureAction.StopHost;
}
