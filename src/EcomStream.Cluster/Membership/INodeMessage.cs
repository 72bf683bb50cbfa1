namespace EcomStream.Cluster;

/// <summary>A message between the nodes of a cluster; its serializer is bound to this type.</summary>
internal interface INodeMessage;
