"""Monitors: schedules that watch production data and predictions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Tag, model_validator

from shared.resources.monitor_data import LlmData, MonitoredData, ReferenceData
from shared.resources.monitor_thresholds import (
    AttributionThresholds,
    CustomThreshold,
    DriftThresholds,
    InfrastructureThresholds,
    PerformanceThresholds,
    QualityThresholds,
    SafetyThresholds,
    TokenThresholds,
)
from shared.resources.paths_in_files import AssetText
from shared.resources.ports import JobInputs
from shared.resources.schedule import ScheduleFacts
from shared.resources.shapes import (
    AnyCase,
    Int,
    Number,
    Shape,
    by_type,
    is_mapping,
    known_type,
    may,
    must,
    refuse,
    some,
)

KIND = "monitor"


class TopFeatures(Shape):
    """The most important features."""

    top_n_feature_importance: Int = must("how many", ge=1)


def _features(value: Any) -> str:
    return "<list>" if isinstance(value, list) else is_mapping(value)


Features = Annotated[
    Annotated[Annotated[Literal["all_features"], AnyCase()], Tag("<text>")]
    | Annotated[list[str], Tag("<list>")]
    | Annotated[TopFeatures, Tag("<mapping>")],
    Discriminator(_features),
]


class DataSegment(Shape):
    """A part of the data."""

    feature_name: str | None = may("the feature that is looked at")
    feature_values: list[str] | None = may("its values that count")


class SignalFacts(Shape):
    """What every signal has."""

    alert_enabled: bool = may("whether an alert is sent", False)
    properties: dict[str, Any] = some("facts that never change")


class DataDrift(SignalFacts):
    """Whether inputs have moved."""

    type: Annotated[Literal["data_drift"], AnyCase()] = must("data_drift")
    production_data: MonitoredData | None = may("data of production; left out, what the deployment collects")
    reference_data: ReferenceData | None = may("data that it is compared with")
    features: Features | None = may("all_features, a list, or the most important ones")
    feature_type_override: dict[str, str] | None = may("numerical or categorical, by feature")
    data_segment: DataSegment | None = may("a part of the data")
    metric_thresholds: DriftThresholds | None = may("from where on an alert is sent")


class DataQuality(SignalFacts):
    """Whether inputs are well formed."""

    type: Annotated[Literal["data_quality"], AnyCase()] = must("data_quality")
    production_data: MonitoredData | None = may("data of production")
    reference_data: ReferenceData | None = may("data that it is compared with")
    features: Features | None = may("all_features, a list, or the most important ones")
    feature_type_override: dict[str, str] | None = may("numerical or categorical, by feature")
    metric_thresholds: QualityThresholds | None = may("from where on an alert is sent")


class PredictionDrift(SignalFacts):
    """Whether predictions have moved."""

    type: Annotated[Literal["prediction_drift"], AnyCase()] = must("prediction_drift")
    production_data: MonitoredData | None = may("data of production")
    reference_data: ReferenceData | None = may("data that it is compared with")
    metric_thresholds: DriftThresholds | None = may("from where on an alert is sent")


class FeatureAttributionDrift(SignalFacts):
    """Whether the weight of features has moved."""

    type: Annotated[Literal["feature_attribution_drift"], AnyCase()] = must("feature_attribution_drift")
    production_data: list[MonitoredData] | None = may("inputs and outputs of production")
    reference_data: ReferenceData = must("training data, with the target's column")
    metric_thresholds: AttributionThresholds | None = may("from where on an alert is sent")


class ModelPerformance(SignalFacts):
    """Whether predictions are right."""

    type: Annotated[Literal["model_performance"], AnyCase()] = must("model_performance")
    production_data: MonitoredData | None = may("predictions of production")
    reference_data: ReferenceData | None = may("what was true")
    data_segment: DataSegment | None = may("a part of the data")
    metric_thresholds: PerformanceThresholds | None = may("from where on an alert is sent")


class Connection(Shape):
    """What a custom signal's component connects to."""

    environment_variables: dict[str, str] = some("variables")
    secret_config: dict[str, str] = some("names of secrets; never the secrets themselves")


class CustomSignal(SignalFacts):
    """What a component of your own measures."""

    type: Annotated[Literal["custom"], AnyCase()] = must("custom")
    component_id: AssetText = must("the component: azureml:NAME:VERSION")
    input_data: dict[str, ReferenceData] = some("data it is given, by name")
    inputs: JobInputs = some("other inputs, by name")
    metric_thresholds: list[CustomThreshold] = must("from where on an alert is sent")
    connection: Connection | None = may("what it connects to")


class GenerationSafetyQuality(SignalFacts):
    """Whether generated texts are safe and good."""

    type: Annotated[Literal["generation_safety_quality"], AnyCase()] = must("generation_safety_quality")
    production_data: list[LlmData] | None = may("prompts and answers of production")
    connection_id: str | None = may("connection to the model that judges")
    sampling_rate: Number | None = may("share of the data that is judged", ge=0, le=1)
    metric_thresholds: SafetyThresholds | None = may("from where on an alert is sent")


class GenerationTokenStatistics(SignalFacts):
    """How many tokens are used."""

    type: Annotated[Literal["generation_token_statistics"], AnyCase()] = must("generation_token_statistics")
    production_data: LlmData | None = may("prompts and answers of production")
    sampling_rate: Number | None = may("share of the data that is counted", ge=0, le=1)
    metric_thresholds: TokenThresholds | None = may("from where on an alert is sent")


class InfrastructureSignal(SignalFacts):
    """How a deployment serves, and what it uses; Slipway's own."""

    type: Annotated[Literal["infrastructure"], AnyCase()] = must("infrastructure")
    metric_thresholds: InfrastructureThresholds | None = may("from where on an alert is sent")


SIGNALS = (
    "data_drift",
    "data_quality",
    "prediction_drift",
    "feature_attribution_drift",
    "model_performance",
    "custom",
    "infrastructure",
    "generation_safety_quality",
    "generation_token_statistics",
)
Signal = Annotated[
    Annotated[DataDrift, Tag("<data_drift>")]
    | Annotated[DataQuality, Tag("<data_quality>")]
    | Annotated[PredictionDrift, Tag("<prediction_drift>")]
    | Annotated[FeatureAttributionDrift, Tag("<feature_attribution_drift>")]
    | Annotated[ModelPerformance, Tag("<model_performance>")]
    | Annotated[CustomSignal, Tag("<custom>")]
    | Annotated[InfrastructureSignal, Tag("<infrastructure>")]
    | Annotated[GenerationSafetyQuality, Tag("<generation_safety_quality>")]
    | Annotated[GenerationTokenStatistics, Tag("<generation_token_statistics>")],
    Discriminator(by_type(*SIGNALS)),
    known_type(*SIGNALS),
]


class MonitorCompute(Shape):
    """Where the monitor runs; Slipway runs it itself and reads the rest."""

    instance_type: str | None = may("size of the machines")
    runtime_version: str | None = may("version of Spark")
    compute_type: Annotated[Literal["ServerlessSpark"], AnyCase()] | None = may("ServerlessSpark")


NotifyOn = Annotated[Literal["breached", "recovered", "failed"], AnyCase()]


class MonitoringTarget(Shape):
    """What is monitored."""

    ml_task: Annotated[Literal["classification", "regression", "question_answering"], AnyCase()] | None = may(
        "what the model does"
    )
    endpoint_deployment_id: str | None = may("azureml:ENDPOINT:DEPLOYMENT")
    model_id: AssetText | None = may("azureml:MODEL:VERSION")


class AlertNotification(Shape):
    """Who is told. `notifiers` and `notify_on` are Slipway's own."""

    emails: list[str] | None = may("addresses that are mailed", min_length=1)
    notifiers: list[str] | None = may("names of notifiers that the control plane has", min_length=1)
    notify_on: list[NotifyOn] = may("what they are told: breached, recovered, failed", ["breached"], min_length=1)

    @model_validator(mode="after")
    def _somebody(self) -> AlertNotification:
        if not (self.emails or self.notifiers):
            raise refuse("nobody is told", "emails, or notifiers")
        return self


class AlertRules(Shape):
    """When a breach is told; Slipway's own."""

    consecutive_breaches: Int = may("runs in a row that breach before it is told", 1, ge=1, le=1000)
    cool_down: str = may("ISO 8601 duration in which a signal that is no worse is not told again", "PT0S")
    critical_factor: Number = may("how many times beyond its threshold a breach is critical", 2, ge=1)
    minimum_severity: Annotated[Literal["warning", "critical"], AnyCase()] = may(
        "breaches that are less are not told", "warning"
    )


class MonitorDefinition(Shape):
    """What is watched, where, and who is told."""

    compute: MonitorCompute = must("where the monitor runs")
    monitoring_target: MonitoringTarget | None = may("what is monitored")
    monitoring_signals: dict[str, Signal] | None = may("signals by name; left out, the default ones of the target")
    alert_notification: (
        Annotated[
            Annotated[Annotated[Literal["azmonitoring"], AnyCase()], Tag("<text>")]
            | Annotated[AlertNotification, Tag("<mapping>")],
            Discriminator(is_mapping),
        ]
        | None
    ) = may("who is told: azmonitoring, or addresses and notifiers")
    alert_policy: AlertRules | None = may("when a breach is told; left out, each time")


class MonitorDeclaration(ScheduleFacts):
    """A `monitor.yml` in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Monitor",
        json_schema_extra={
            "examples": [
                {
                    "name": "watch-diabetes",
                    "trigger": {"type": "cron", "expression": "15 3 * * *"},
                    "create_monitor": {
                        "compute": {"instance_type": "standard_e4s_v3", "runtime_version": "3.4"},
                        "monitoring_target": {
                            "ml_task": "classification",
                            "endpoint_deployment_id": "azureml:diabetes:blue",
                        },
                    },
                }
            ]
        },
    )

    create_monitor: MonitorDefinition = must("what is watched, where, and who is told")
