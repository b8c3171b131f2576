#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""The pages of the panel."""

from django import urls

from trove_flavor_filter_dashboard.flavor_requirements import views

urlpatterns = [
    urls.path('', views.IndexView.as_view(), name='index'),
    urls.path('violations/', views.ViolationsView.as_view(),
              name='violations'),
    urls.path('export/', views.export, name='export'),
    urls.path('import/', views.ImportView.as_view(), name='import'),
    urls.path('<str:version_id>/update/', views.UpdateView.as_view(),
              name='update'),
    urls.path('<str:version_id>/copy/', views.CopyView.as_view(),
              name='copy'),
]
