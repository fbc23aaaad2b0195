from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs_flow_django", "0002_outbox"),
    ]

    # The new ones first, so that no list is without an index meanwhile.
    operations = [
        migrations.AddIndex(
            model_name="workflowinstance",
            index=models.Index(fields=["status", "id", "workflow", "realm", "name"], name="jobs_flow_by_status"),
        ),
        migrations.AddIndex(
            model_name="workflowinstance",
            index=models.Index(fields=["workflow", "id", "status", "realm", "name"], name="jobs_flow_by_workflow"),
        ),
        migrations.AddIndex(
            model_name="workflowinstance",
            index=models.Index(fields=["realm", "id", "status", "workflow", "name"], name="jobs_flow_by_realm"),
        ),
        migrations.AddIndex(
            model_name="workflowinstance",
            index=models.Index(fields=["name", "status", "workflow", "realm"], name="jobs_flow_by_name"),
        ),
        migrations.AddIndex(
            model_name="workflowinstance",
            index=models.Index(fields=["workflow", "finished_at"], name="jobs_flow_workflow_end"),
        ),
        migrations.AddIndex(
            model_name="workflowinstance",
            index=models.Index(fields=["finished_at"], name="jobs_flow_end"),
        ),
        migrations.RemoveIndex(model_name="workflowinstance", name="jobs_flow_status"),
        migrations.RemoveIndex(model_name="workflowinstance", name="jobs_flow_workflow"),
        migrations.RemoveIndex(model_name="workflowinstance", name="jobs_flow_realm"),
        migrations.RemoveIndex(model_name="workflowinstance", name="jobs_flow_name"),
    ]
