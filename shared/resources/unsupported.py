"""What Azure ML declares and Slipway does not run: recognised, and answered with why, and what to do instead."""

from __future__ import annotations

from dataclasses import dataclass

from shared.resources.shapes import fold


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Something that is not supported."""

    what: str  # in the plural
    because: str
    instead: str


_AUTOML = Unsupported(
    "automated ML jobs", "Slipway runs your code, and has no model search of its own", "declare a sweep job"
)
_SPARK = Unsupported("Spark jobs and components", "Slipway has no Spark", "declare a command or a parallel component")
_COMPUTE = Unsupported(
    "computes", "Slipway has no clusters to create", "create it in your infrastructure and name it in `compute`"
)
_WORKSPACE = Unsupported(
    "workspaces, hubs and projects", "an installation of Slipway is one workspace", "deploy Slipway with its template"
)
_CONNECTION = Unsupported(
    "connections", "credentials do not belong into declared files", "put the secret into Key Vault or the settings"
)
_DATASTORE = Unsupported(
    "datastores", "storage and its credentials are settings of the installation", "use a URL as the data's path"
)
_REGISTRY = Unsupported("registries", "there is one registry in an installation", "install a second Slipway")
_TRANSFER = Unsupported(
    "data import and data transfer", "Slipway copies no databases", "declare a command job that fetches the data"
)
_FEATURES = Unsupported("feature stores and feature sets", "Slipway has none", "declare the features as data")
_FLOW = Unsupported("prompt flows", "Slipway does not run them", "deploy the flow as a model with its own image")
_NETWORK = Unsupported(
    "managed networks and private endpoints",
    "networks belong to the installation",
    "declare them in your infrastructure",
)
_FINETUNING = Unsupported("fine-tuning and distillation jobs", "Slipway has no such service", "declare a command job")
_TEMPLATE = Unsupported("deployment templates", "Slipway has none", "declare an online deployment")

# By `$schema`'s last segment and by `type`, folded.
BY_SCHEMA = {
    fold(name): what
    for what, names in {
        _AUTOML: ("autoMLJob", "autoMLImageClassificationJob", "automlJob", "autoMLNLPTextNERJob"),
        _SPARK: ("sparkJob", "sparkComponent"),
        _COMPUTE: ("amlCompute", "computeInstance", "compute", "attachedCompute", "vmCompute", "kubernetesCompute",
                   "synapseSparkCompute", "syanpseSparkCompute"),
        _WORKSPACE: ("workspace", "hub", "project"),
        _CONNECTION: ("connection", "workspaceConnection"),
        _DATASTORE: ("datastore", "azureBlob", "azureFile", "azureDataLakeGen1", "azureDataLakeGen2",
                     "oneLake", "hdfs"),
        _REGISTRY: ("registry",),
        _TRANSFER: ("DataImport", "importJob", "importComponent", "dataTransferJob", "dataTransferComponent",
                    "dataTransfer", "dataTransferCopyComponent", "dataTransferImportComponent",
                    "dataTransferExportComponent"),
        _FEATURES: ("featureStore", "featureSet", "featureStoreEntity", "featureSetSpec", "featureSetSpecification"),
        _FLOW: ("flow", "promptflow", "flowComponent", "run"),
        _NETWORK: ("managedPrivateEndpoint", "privateEndpoint", "outboundRule", "managedNetwork"),
        _FINETUNING: ("finetuningJob", "fineTuning", "distillationJob", "modelDistillation"),
        _TEMPLATE: ("deploymentTemplate",),
    }.items()
    for name in names
}  # fmt: skip
BY_TYPE = {
    fold(name): what
    for what, names in {
        _AUTOML: ("automl",),
        _SPARK: ("spark",),
        _COMPUTE: ("amlcompute", "computeinstance", "virtualmachine", "synapsespark", "serverless"),
        _DATASTORE: ("azure_blob", "azure_file", "azure_data_lake_gen1", "azure_data_lake_gen2", "one_lake", "hdfs"),
        _CONNECTION: ("git", "python_feed", "container_registry", "s3", "snowflake", "azure_sql_db",
                      "azure_synapse_analytics",
                      "azure_open_ai", "open_ai", "serp", "azure_ai_services", "azure_content_safety", "custom_keys",
                      "azure_my_sql_db", "azure_postgres_db", "api_key", "cognitive_search"),
        _TRANSFER: ("import", "data_transfer", "import_data"),
        _NETWORK: ("private_endpoint", "service_tag", "fqdn"),
        _FINETUNING: ("finetuning", "distillation"),
        _FLOW: ("promptflow", "prompt_flow"),
    }.items()
    for name in names
}  # fmt: skip
# By keys that only such files have: every key of one of these must be there.
BY_KEYS: tuple[tuple[frozenset[str], Unsupported], ...] = (
    (frozenset({"import_data"}), _TRANSFER),
    (frozenset({"source", "path", "type"}), _TRANSFER),
    (frozenset({"nodes", "inputs", "outputs"}), _FLOW),
    (frozenset({"credentials", "target"}), _CONNECTION),
    (frozenset({"account_name", "container_name"}), _DATASTORE),
    (frozenset({"min_instances", "max_instances", "size"}), _COMPUTE),
    (frozenset({"replication_locations"}), _REGISTRY),
    (frozenset({"entities", "specification"}), _FEATURES),
    (frozenset({"index_columns"}), _FEATURES),
    (frozenset({"materialization_store"}), _FEATURES),
)
