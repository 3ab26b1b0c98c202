"""Paths of Payment Sync."""

from django.urls import path

from accounting.payment_sync import views

urlpatterns = [path("m/<slug:merchant_ref>/books/sync", views.payment_sync, name="payment_sync")]
