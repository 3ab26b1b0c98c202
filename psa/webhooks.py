"""The address that ConnectWise PSA calls back."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from psa.callbacks import find_called_connection, receive_callback
from wisepay import clock


@csrf_exempt
@require_POST
def receive(request: HttpRequest, merchant_ref: str, secret: str) -> HttpResponse:
    """Take a message; what it says is read again at PSA."""
    connection = find_called_connection(merchant_ref, secret)
    if connection is None:
        raise Http404
    signature = request.headers.get("x-content-signature", "")
    receive_callback(connection, request.body, signature, now=clock.now())
    return HttpResponse(status=204)
